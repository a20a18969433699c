"""What the tables of `condense parity` say about runs that were measured."""

from dataclasses import replace
from typing import Any

from parity_samples import cause_record

from condense.data import catalog
from condense.records import Record
from condense.studies.parity.cause_table import CauseTable
from condense.studies.parity.config import ParityConfig
from condense.studies.parity.keras_parts import keras_parts
from condense.studies.parity.tables import cause_table, claims_table


def record(name: str = "reduction-sum", **results: Any) -> Record:
    """A cause of two networks."""
    found = {
        "name": name,
        "title": name,
        "base": "convolution",
        "claim": "report 000: it explodes",
        "closes": "rate divided by the batch",
        "closing": {"first_steps": [None, None], "largest": 1e-7},
        "steps": 96,
        "first_steps": [1, 1],
        "not_finite_from": [None, None],
        "test_loss": [0.28, 0.29],
        "aligned_test_loss": [0.07, 0.07],
        "printed_loss": [0.28, 0.29],
        "aligned_printed_loss": [0.07, 0.07],
        "accuracy": [[0.5, 0.7], [0.90, 0.92]],
        "aligned_accuracy": [[0.5, 0.7], [0.95, 0.95]],
        "epochs_tested": [1, 2],
    }
    config = {"dataset": "mnist", "epochs": 2, "batch": 16}
    return cause_record(config, found | results)


def test_a_claim_about_an_explosion_is_answered_by_its_step_and_by_the_run_that_does_not() -> None:
    lost = {"test_loss": [None, None], "printed_loss": [None, None], "accuracy": [[None, None]] * 2}
    exploded = record(not_finite_from=[5, 4], **lost)
    table, causes = claims_table([exploded]), cause_table([exploded])
    assert table and causes
    (row,) = table.rows
    assert row[2] == "not finite from step 4 of 96" == causes.rows[0][4]
    assert row[5] == "rate divided by the batch: finite, first step above floor never"
    half = claims_table([record(not_finite_from=[None, 4])])
    assert half and half.rows[0][2] == "not finite from step 4 of 96 (1 of 2)"


def test_claims_show_accuracy_and_the_arithmetic_of_report_002() -> None:
    table = claims_table([record(claim="report 002: 0.28 against 0.07 at equal accuracy", closing=None)])
    assert table
    assert table.rows[0][3] == "−4.00 ± 1.00" and table.rows[0][5] == "rate divided by the batch"
    assert any("+300 %" in note for note in table.notes)
    other = claims_table([record()])
    assert other and not any("+300 %" in note for note in other.notes)


def test_losses_of_another_reduction_are_brought_to_the_same_unit() -> None:
    config = ParityConfig(framework="keras", dataset="digits", train_size=50, epochs=2, batch=20).resolved()
    table = CauseTable(config, config.subset(catalog.load("digits")))
    base = table.setting("perceptron")
    assert table.loss_unit(replace(base, loss="sum"), base).ravel().tolist() == [1 / 20, 1 / 20, 1 / 10] * 2
    assert (table.loss_unit(replace(base, loss="softmax twice"), base) == 1).all()
    convolution = table.setting("convolution")
    assert (table.loss_unit(replace(convolution, loss="mean of squares"), convolution) == 10).all()


def test_titles_say_which_of_keras_roundings_are_imitated() -> None:
    titles = {part.name: part.title for part in keras_parts()}
    assert "clipped to 1e-7 as in Keras" in titles["float64"]
    assert "squared errors rounded to float32 as in Keras" in titles["regression"]
