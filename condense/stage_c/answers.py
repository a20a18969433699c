"""What methods of packages answer: errors in their code become sentences, and so does what no driver can go on with."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor

from condense.condensed import Condensed
from condense.errors import CondenseError, RunFailed, quoted, shortened, why
from condense.machine import is_out_of_memory
from condense.sealed import are_like
from condense.stage_c.method import Method, state_tensors
from condense.stage_c.problem import Problem

OWN = __name__.partition(".")[0]


@contextmanager
def answering(method: Method | type[Method]) -> Iterator[None]:
    """Raises `RunFailed`, which says where, for an error in the code of the package that a method is of.

    Errors of condense's own, those that say that memory ran out, and `CondenseError` stay what they are.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, CondenseError) or is_out_of_memory(error) or not (place := _place(method, error)):
            raise
        raise RunFailed(f"Method {quoted(method.name)} fails in {place}: {why(error)}.") from error


def _place(method: Method | type[Method], error: BaseException) -> str | None:
    """Where in a method's package an error comes from; None where no call in it was going on, and of built-in methods."""
    kind = method if isinstance(method, type) else type(method)
    package, trace, found = kind.__module__.partition(".")[0], error.__traceback__, None
    while trace is not None and package != OWN:
        if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == package:
            found = f"{shortened(Path(trace.tb_frame.f_code.co_filename).name)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def refuse(method: Method | type[Method], what: str) -> NoReturn:
    """Raises `RunFailed` for an answer that no method may give."""
    raise RunFailed(f"Method {quoted(method.name)} {what}.")


def counts_of(method: Method, problem: Problem) -> tuple[int, int]:
    """(Steps, steps of an iteration). Raises `RunFailed` where they are no such numbers."""
    with answering(method):
        steps, size = method.steps(problem), method.round(problem)
    if type(steps) is not int or steps < 0:
        refuse(method, f"has {quoted(steps)} steps, which must be a whole number of 0 or more")
    if type(size) is not int or size < 1:
        refuse(method, f"has {quoted(size)} steps an iteration, which must be a whole number of 1 or more")
    return steps, size


def check_state(method: Method, problem: Problem, state: Any, number: int) -> None:
    """Raises `RunFailed` for a state before a step that could not be kept in a checkpoint and resumed from there."""
    with answering(method):
        wanted = method.shape_of_state(problem, number)
    if not (is_state(wanted) and is_state(state)):
        refuse(method, "gives a state that is no dataclass of tensors, or of dictionaries of tensors by name")
    if type(state) is not type(wanted) or not are_like(state_tensors(state), state_tensors(wanted)):
        refuse(
            method,
            f"gives a state before step {number + 1:,} that differs from its shape_of_state there in names, shapes or "
            "types, or has tensors that require gradients or are expanded",
        )


def is_state(value: Any) -> bool:
    """Whether it is an object of a dataclass of tensors, or of dictionaries of tensors by name."""
    if not is_dataclass(value) or isinstance(value, type):
        return False
    return all(_is_part(getattr(value, one.name)) for one in fields(value))


def _is_part(value: object) -> bool:
    if not isinstance(value, Mapping):
        return isinstance(value, Tensor)
    return all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())


def checked_step(method: Method, answer: Any, names: list[str] | None) -> tuple[Any, dict[str, float | Tensor]]:
    """(State, losses by name) as a step gave them; names: those of the losses of steps before, if any.

    Raises `RunFailed` where it gave something else.
    """
    if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], dict) and answer[1]):
        refuse(method, "must give a state and at least one loss by name at each step")
    state, losses = answer
    if not all(isinstance(name, str) and _is_number(value) for name, value in losses.items()):
        refuse(method, "gives losses that are not numbers, or tensors of one number, by name")
    if names is not None and set(losses) != set(names):
        listed = (", ".join(map(shortened, sorted(each))) for each in (names, losses))
        refuse(method, "gives losses of other names than before: {} then, {} now".format(*listed))
    return state, losses


def _is_number(value: object) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex()
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)


def result_of(method: Method, problem: Problem, state: Any) -> Condensed:
    """The set that a state stands for. Raises `RunFailed` where it is none of images like the real ones."""
    with answering(method):
        found = method.result(problem, state)
    if not (isinstance(found, Condensed) and isinstance(found.images, Tensor) and isinstance(found.labels, Tensor)):
        refuse(method, "gives a result that is no Condensed of images and labels")
    images, shape = found.images.detach(), tuple(found.images.shape[1:])
    if shape != problem.data.shape:  # decoders leave it as it is
        refuse(method, f"gives images of shape {shape}, and the real ones are {problem.data.shape}")
    return Condensed(images, found.labels.detach(), found.decoder, found.learning_rate)
