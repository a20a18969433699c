"""`condense experts`: networks trained beforehand on the real images, which methods draw from."""

from pathlib import Path

from condense.cli import options
from condense.cli.common import load, resumable
from condense.cli.progress import train_bar
from condense.errors import CondenseError
from condense.networks.registry import build
from condense.report.rendering import printable
from condense.stage_c.experts import Plan, experts_folder, kept_experts, obtained, recipe_of


def experts(chosen: options.Experts) -> None:
    """Condense experts"""
    folder = chosen.out or experts_folder()
    if chosen.dataset is not None:
        if wrong := [epoch for epoch in chosen.keep_epochs if epoch > chosen.epochs]:
            raise CondenseError(f"--keep-epochs {wrong[0]}: they are trained for {chosen.epochs} epochs.")
        data = load(chosen.dataset, chosen).train
        plan = Plan(recipe_of(chosen.epochs), chosen.count, chosen.keep_epochs)
        network = build(chosen.network, data.shape, data.classes)
        with resumable(by="The same command"), train_bar("experts", chosen.quiet) as progress:
            obtained(plan, data, network, folder=folder, progress=progress)
    _print_list(folder)


def _print_list(folder: Path) -> None:
    for one in kept_experts(folder):
        stages = one["recipe"]["stages"]
        epochs = sum(stage["epochs"] for stage in stages)
        print(
            printable(
                f"{one['file']}  {one['network']}  seed {one['seed']}  images {one['images'][:12]}  {epochs} epochs  "
                f"loss {one['loss']:.4f}  {one['seconds']:.0f} s"
            )
        )
    print(f"Folder: {folder}")
