"""The card of a set that is passed on: README.md with the YAML header that Hugging Face's DatasetCard reads.

Plain text, written here: nothing of it needs a library or the network, and no field stands in it without a value.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from condense.data.naming import shareable
from condense.errors import shortened
from condense.formats.outgoing.form import Asked
from condense.records import Record
from condense.report.rendering import render
from condense.report.tables import accuracy_table
from condense.stage_c.methods import BUILT_IN
from condense.synthetic_set import SyntheticSet
from condense.versions import CODE_VERSION

LICENCES = {
    "digits": ("cc-by-4.0", "CC BY 4.0 (Optical Recognition of Handwritten Digits, UCI Machine Learning Repository)"),
    "fashion-mnist": ("mit", "MIT (Zalando Research)"),
    "mnist": ("unknown", "no licence comes with the files; they are often passed on as CC BY-SA 3.0"),
    "svhn": ("other", "non-commercial use only, as its authors' page says"),
    "cifar10": ("unknown", "its authors state none"),
    "cifar100": ("unknown", "its authors state none"),
}
"""Of the real images, by catalogue name: Hugging Face's identifier, and words."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(asked: Asked, losses: Sequence[str], reader: str) -> bytes:
    """The card of the first set. losses: what the pictures beside it do not hold; reader: what reads them."""
    synthetic = asked.first
    facts, licence = synthetic.provenance, _licence(asked)
    title = f"{facts.dataset}, {_number(synthetic)} per class, by {facts.method}"
    sections = [
        _header(synthetic, licence[0], title),
        f"# {_text(title)}\n\n{_summary(synthetic, reader)}",
        "## Source\n\n" + _listed(_source(synthetic, licence[1])),
        "## Method\n\n" + _listed(_method(synthetic)),
        "## Images\n\n" + _listed(_images(synthetic)) + _lost(losses),
        "## Accuracy\n\n" + _accuracy(asked.records),
        "## Limits\n\n" + _bullets(_limits(synthetic)),
    ]
    return ("\n\n".join(section.rstrip() for section in sections) + "\n").encode()


def yaml_text(text: str) -> str:
    """A text as a double-quoted scalar of YAML, on one line."""
    return "".join(c if c.isprintable() else _escaped(c) for c in json.dumps(text, ensure_ascii=False))


def _escaped(character: str) -> str:
    return f"\\U{ord(character):08x}" if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"


def _header(synthetic: SyntheticSet, licence: str, title: str) -> str:
    images = len(synthetic.decoded()[1])
    size = next((name for most, name in _SIZES if images < most), "n>1M")
    lines = [
        f"pretty_name: {yaml_text(title)}",
        f"license: {yaml_text(licence)}",
        "task_categories:\n- image-classification",
        f"size_categories:\n- {size}",
        "tags:\n- dataset-condensation\n- dataset-distillation\n- synthetic",
        f"source_datasets:\n- {yaml_text(f'extended|{synthetic.provenance.dataset}')}",
    ]
    return "\n".join(["---", *lines, "---"])


def _summary(synthetic: SyntheticSet, reader: str) -> str:
    facts = synthetic.provenance
    made = "selected among the real images" if _selected(synthetic) else "made from the real images"
    return (
        f"{len(synthetic.images)} images, {made} of {_text(facts.dataset)}, such that networks trained on them alone name "
        f"real images as well as can be. The folder is one of {reader}."
    )


def _source(synthetic: SyntheticSet, licence: str) -> dict[str, Any]:
    facts = synthetic.provenance
    subset = facts.config.get("train_size")
    return {
        "Real images": facts.dataset if subset is None else f"{facts.dataset}, {subset} training images of it",
        "Fingerprint of the training images": facts.dataset_fingerprint,
        "Licence of the real images": f"{licence}. Whether it extends to images made from them is for you to settle.",
        "SHA-256 of the set": synthetic.sha256,
    }


def _method(synthetic: SyntheticSet) -> dict[str, Any]:
    facts = synthetic.provenance
    known = BUILT_IN.get(facts.method)
    schedule = {"Schedule": facts.config["schedule"]} if "schedule" in facts.config else {}
    return {
        "Method": f"{facts.method}: {known.title}" if known else facts.method,
        "Network": facts.network,
        "Iterations": facts.iterations,
        **schedule,
        "Seed": facts.seed,
        "Precision": f"{facts.precision} on {facts.device}",
        "Code": f"condense {facts.code_version}; {', '.join(f'{n} {v}' for n, v in sorted(facts.library_versions.items()))}",
        "Exported by": f"condense {CODE_VERSION}",
        "Configuration": json.dumps(shareable(facts.config), sort_keys=True),
    }


def _images(synthetic: SyntheticSet) -> dict[str, Any]:
    facts, (channels, height, width) = synthetic.provenance, synthetic.images.shape[1:]
    own_rate = {} if synthetic.learning_rate is None else {"Learned rate": f"{synthetic.learning_rate:.6g}"}
    counts = {"Images of the classes": ", ".join(map(str, synthetic.counts))} if synthetic.unequal else {}
    return {
        "Size": f"{height} x {width}, {'grey' if channels == 1 else 'RGB'}",
        "Classes, in their order": ", ".join(facts.class_names),
        **counts,
        "Labels": "soft" if synthetic.soft else "hard",
        "Stored": f"{len(synthetic.images)} images, decoder: {synthetic.decoder}",
        "Networks see": "ZCA whitened pixels"
        if synthetic.preprocessing is not None
        else f"(pixel - mean) / std, of pixels from 0 to 1, mean {facts.mean}, std {facts.std}",
        **own_rate,
    }


def _lost(losses: Sequence[str]) -> str:
    """What a reader of the pictures does not get."""
    return "\n\nNot in these files:\n\n" + _bullets([f"{loss}." for loss in losses]) if losses else ""


def _accuracy(records: Sequence[Record]) -> str:
    if not records:
        return "No records came with this set, so no accuracy is stated."
    return render(accuracy_table(records), "markdown")


def _limits(synthetic: SyntheticSet) -> list[str]:
    privacy = (
        "These are real training images: whatever they show of anybody, this set shows."
        if _selected(synthetic)
        else "Images are made from real training images, begin as some of them with many methods, and may resemble them."
    )
    return [
        f"No privacy guarantee. {privacy}",
        "Accuracies hold for the networks and the protocol they were measured with; other ones may do far worse.",
        "Whatever is wrong or one-sided with the real images and their labels is so here too.",
    ]


def _selected(synthetic: SyntheticSet) -> bool:
    known = BUILT_IN.get(synthetic.provenance.method)
    return known is not None and known.kind == "selected"


def _licence(asked: Asked) -> tuple[str, str]:
    if asked.licence is not None:
        identifier = asked.licence.lower()
        return (identifier if re.fullmatch(r"[a-z][a-z0-9.-]*", identifier) else "other"), asked.licence
    return LICENCES.get(asked.first.provenance.dataset, ("unknown", "not stated"))


def _number(synthetic: SyntheticSet) -> str:
    most = synthetic.provenance.images_per_class
    return f"{'up to ' if synthetic.unequal else ''}{most} image{'' if most == 1 else 's'}"


def _listed(values: dict[str, Any]) -> str:
    return _bullets([f"**{name}:** {_text(value)}" for name, value in values.items()])


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _text(value: Any) -> str:
    """A value as Markdown shows it letter by letter, on one line."""
    return re.sub(r"([\\`*_|\[\]<>~])", r"\\\1", shortened(str(value), 20_000))
