"""Synthetic sets as the files of other programs: `export`, and the forms there are.

Formats, and what each loses: docs/formats.md. A form is one file here (or one of a family), and an entry of `FORMS`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from condense.errors import CondenseError, shortened, unknown_name
from condense.files import check_path, refuse_existing, taken_files, write_atomically, write_folder_atomically
from condense.formats.outgoing import arrays, dc_bench, dd_ranking, idc, mtt, pictures, vico
from condense.formats.outgoing.form import Asked, Form, Plan
from condense.records import Record
from condense.synthetic_set import SyntheticSet

FormName = Literal["vico", "mtt", "idc", "dd-ranking", "dc-bench", "npz", "safetensors", "folder", "huggingface"]
_ALL = (
    vico.FORM,
    mtt.FORM,
    idc.FORM,
    dd_ranking.FORM,
    dc_bench.FORM,
    arrays.NPZ,
    arrays.SAFETENSORS,
    pictures.FOLDER,
    pictures.HUGGINGFACE,
)
FORMS: dict[str, Form] = {form.name: form for form in _ALL}
"""By name."""
assert set(FORMS) == set(get_args(FormName))


def export(
    sets: SyntheticSet | Sequence[SyntheticSet],
    to: FormName | str,
    out: Path | str,
    *,
    records: Sequence[Record] = (),
    licence: str | None = None,
    lossy: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Writes a set (of 'vico' several, repetitions of one experiment) as the form `to`, whole or not at all.

    records: evaluations of the sets, whose accuracies go with them; others among them are passed over. licence: of the real
    images, for a card, where the catalogue does not say. lossy: write it although something is lost. tell: gets sentences on
    what is lost or changed, before anything is written.

    Raises `CondenseError` where there is anything at `out`; for a form that is not known, needs another kind of target, or
    has no place for records or a licence; where records are none of these sets'; and where something would be lost without
    `lossy`: one sentence that names it all.
    """
    given, out = (sets,) if isinstance(sets, SyntheticSet) else tuple(sets), Path(out)
    form = form_of(to)
    check_target(form, out)
    if not given:
        raise CondenseError("There is no set to export.")
    _check_place(form, records, licence)
    plan = planned(form, given, records, licence)
    if plan.losses and not lossy:
        raise CondenseError(f"{form.name} would lose {'; '.join(plan.losses)}: --lossy writes it without.")
    for sentence in (*(f"Lost: {loss}." for loss in plan.losses), *plan.remarks):
        tell(sentence)
    with taken_files(out):
        refuse_existing(out)
        _write(form, plan, out)


def form_of(name: str) -> Form:
    """The form of this name. Raises `CondenseError` for an unknown one."""
    if name not in FORMS:
        raise unknown_name("form of export", name, FORMS)
    return FORMS[name]


def check_target(form: Form, out: Path) -> None:
    """Raises `CondenseError` where there is anything at `out`, or it is not called as what this form writes."""
    check_path(out, "--out")
    refuse_existing(out)
    ending, suffixes = out.suffix.lower(), [one.suffix for one in _ALL if one.suffix]
    if form.suffix is not None and not form.folder and ending != form.suffix:
        raise CondenseError(f"--out {shortened(out)}: the name of the file must end in {form.suffix}.")
    if form.folder and ending in suffixes and ending != form.suffix:
        raise CondenseError(f"--out {shortened(out)}: {form.name} is a folder, whose name does not end in {ending}.")


def planned(form: Form, sets: Sequence[SyntheticSet], records: Sequence[Record] = (), licence: str | None = None) -> Plan:
    """What would be written, and what is lost: sets beyond the first too, where the form holds one only."""
    held = tuple(sets if form.several else sets[:1])
    plan, over = form.plan(Asked(held, _of_these(held, records), licence)), len(sets) - len(held)
    lost = [f"{over} of the {len(sets)} sets (the first is written)"] if over else []
    return Plan(plan.files, (*lost, *plan.losses), plan.remarks)


def _check_place(form: Form, records: Sequence[Record], licence: str | None) -> None:
    """Raises `CondenseError` where something is given that this form would pass over."""
    if records and not form.accuracies:
        raise CondenseError(f"{form.name} has no place for accuracies: leave --records out.")
    if licence is not None and not form.card:
        raise CondenseError(f"{form.name} has no card to state a licence in: leave --licence out.")


def _write(form: Form, plan: Plan, out: Path) -> None:
    files = plan.files()
    if form.suffix is not None and out.suffix.lower() == form.suffix:
        write_atomically(out, next(iter(files.values())))
    else:
        write_folder_atomically(out, files)


def _of_these(sets: Sequence[SyntheticSet], records: Sequence[Record]) -> tuple[Record, ...]:
    """The records of learning and evaluating these sets. Raises `CondenseError` where records are given and none of them is
    of an evaluation of one.
    """
    digests = {one.sha256 for one in sets}
    own = tuple(record for record in records if record.task in ("learn", "evaluate") and _digest(record) in digests)
    if records and not any(record.task == "evaluate" for record in own):
        raise CondenseError("None of the records given is an evaluation of a set to be exported.")
    return own


def _digest(record: Record) -> object:
    """Of the set that a record is about."""
    of_set = record.config.get("set")
    return of_set.get("sha256") if isinstance(of_set, dict) else of_set
