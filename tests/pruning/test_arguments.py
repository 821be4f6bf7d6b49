"""Wrong arguments are refused in one line with the fix."""

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fggp
from fggp.pruning.timing import Timing


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def pruner(**options: Any) -> fggp.Pruner:
    model = network()
    return fggp.Pruner(model, sgd(model), fggp.method("random", sparsity=0.5, steps=10), **options)


METHOD = fggp.method("gmp", sparsity=0.5, steps=10)
MODEL = network()
OPTIMIZER = sgd(MODEL)
PAIR = (torch.ones(2, 8), torch.ones(2))
PRUNER: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
    ((MODEL, OPTIMIZER, "fggp"), {}, r"method: 'fggp' is not.*fggp\.method\('fggp', sparsity=0\.9"),
    ((MODEL, OPTIMIZER, fggp.METHODS["rigl"]), {}, r"a Definition.*fggp\.method\('rigl'"),
    ((OPTIMIZER, MODEL, METHOD), {}, r"model: an? SGD is not a network; the order is fggp\.Pruner"),
    ((MODEL, METHOD, OPTIMIZER), {}, r"optimizer: a Method is not an optimizer; the order is"),
    ((MODEL, MODEL, METHOD), {}, "optimizer: a Sequential is not an optimizer"),
    ((MODEL.state_dict(), OPTIMIZER, METHOD), {}, "model: an OrderedDict is not a network"),
    ((MODEL, torch.optim.SGD, METHOD), {}, "optimizer: the class SGD is not an optimizer"),
    ((MODEL, OPTIMIZER, METHOD), {"params": MODEL.parameters()}, r"names such as '0\.weight', not"),
    ((MODEL, OPTIMIZER, METHOD), {"params": [MODEL[2].weight]}, r"names such as '2\.weight', not"),
    (
        (MODEL, OPTIMIZER, METHOD),
        {"params": MODEL.named_parameters()},
        "give names .*, not tuple",
    ),
    ((MODEL, OPTIMIZER, METHOD), {"params": "0.weight"}, "is one name; give a list of names"),
    ((MODEL, OPTIMIZER, METHOD), {"params": 3}, "params: give a list of names, not int"),
    ((MODEL, OPTIMIZER, METHOD), {"dense": [MODEL[2].weight]}, r"dense: give names such as '2\.w"),
    ((MODEL, OPTIMIZER, METHOD), {"dense": 3}, "dense: give a list of names, not int"),
    ((MODEL, OPTIMIZER, METHOD), {"seed": 1.5}, r"seed: 1\.5 is not a whole number"),
    ((MODEL, OPTIMIZER, METHOD), {"seed": -1}, "seed: -1 is negative; the nearest valid is 0"),
    ((MODEL, OPTIMIZER, METHOD), {"batches": PAIR}, r"batches=\[\(inputs, targets\)\]"),
    ((MODEL, OPTIMIZER, METHOD), {"batches": 3}, r"batches=\[\(inputs, targets\)\]"),
    ((MODEL, OPTIMIZER, METHOD), {"loss": "mse"}, "loss: 'mse' is not a function of outputs"),
    ((MODEL, OPTIMIZER, METHOD), {"state": "last.pt"}, r"state: a str .*torch\.load"),
    ((MODEL, OPTIMIZER, METHOD), {"state": OPTIMIZER.state_dict()}, r"what pruner\.state_dict\(\)"),
]


@pytest.mark.parametrize(("given", "named", "message"), PRUNER)
def test_a_pruner_is_refused_in_one_line(
    given: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    before = copy.deepcopy(MODEL.state_dict())
    with pytest.raises((TypeError, ValueError), match=message) as refusal:
        fggp.Pruner(*given, **named)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 250
    assert all(torch.equal(before[name], it) for name, it in MODEL.state_dict().items())


METHODS: list[tuple[dict[str, Any], str]] = [
    ({"steps": 400 / 4}, r"steps: 100\.0 is not a whole number; give 100; divide with // instead"),
    ({"steps": float("inf")}, "steps: inf is not a whole number; give a whole number of steps"),
    ({"steps": float("nan")}, "steps: nan is not a whole number"),
    ({"steps": "400"}, "steps: '400' is not a whole number"),
    ({"sparsity": None}, "sparsity: None is not a number or a fraction"),
    ({"sparsity": float("nan")}, "sparsity: nan is not a number or a fraction"),
    ({"initial_sparsity": "half"}, "initial_sparsity: 'half' is not a number"),
    ({"steps": True}, "steps: True is not a whole number"),
    ({"steps": 10.5}, r"steps: 10\.5 is not a whole number"),
    ({"steps": -5}, "steps: -5 is too few"),
    ({"sparsity": 90}, r"did you mean 0\.9\?"),
    ({"initial_sparsity": 50}, r"did you mean 0\.5\?"),
    ({"sparsity": None}, "None is not a number"),
    ({"sparsity": [0.9]}, r"\[0\.9\] is not a number"),
    ({"timing": 5}, "timing: give a fggp.pruning.Timing, not int"),
    ({"timing": Timing.default(60)}, "of a training of 60 steps, but steps is 100; give both"),
    ({"timing": Timing.default(1000), "steps": -5}, "steps: -5 is out of range; the nearest"),
    ({"timing": Timing(100, 0, 10**9, 1)}, "end 1000000000 is after the training of 100 steps; "),
    ({"timing": Timing(100, 0, 101, 1)}, "end 101 is after .*; the nearest valid is 100"),
    ({"timing": Timing(100, 50, 40, 1)}, "timing: begin 50 is not before end 40; begin earlier"),
    ({"timing": Timing(100, 50, 50, 1)}, "timing: begin 50 is not before end 50; begin earlier"),
    ({"name": "random", "timing": Timing(100, 9, 8, 1)}, "timing: begin 9 is not before end 8"),
    ({"steps": torch.ones(3)}, "steps: .* is not a whole number; give a whole number of steps"),
    ({"sparsity": np.float32("nan")}, "sparsity: nan is not a number or a fraction"),
    ({"name": METHOD}, "name: give the name of a method, 'fggp', not Method"),
]


@pytest.mark.parametrize(("change", "message"), METHODS)
def test_a_method_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message) as refusal:
        fggp.method(**({"name": "fggp", "sparsity": 0.9, "steps": 100} | change))
    assert "\n" not in str(refusal.value)


def test_a_timing_of_a_longer_training_warns_that_this_one_ends_early() -> None:
    with pytest.warns(
        RuntimeWarning, match="of 1000 steps, but steps is 100; .* ends before"
    ) as told:
        fggp.method("fggp", sparsity=0.9, steps=100, timing=Timing.default(1000))
    assert told[0].filename == __file__


def read_back(made: fggp.Pruner) -> dict[str, Any]:
    """The state of a pruner after it was saved and read with PyTorch's default of safety."""
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    read: dict[str, Any] = torch.load(file, weights_only=True)
    return read


WHOLE: list[Callable[[int], Any]] = [np.int64, np.uint8, np.array, torch.tensor]


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_of_numpy_and_in_tensors_are_those_of_python(
    kind: Callable[[int], Any],
) -> None:
    assert fggp.method("gmp", sparsity=0.5, steps=kind(10)) == METHOD
    timing = Timing(kind(10), kind(0), kind(5), kind(1))
    assert {type(value) for value in vars(timing).values()} == {int}
    assert repr(timing) == repr(Timing(10, 0, 5, 1))
    assert repr(fggp.method("gmp", sparsity=0.5, steps=kind(10), timing=timing)) == repr(METHOD)
    model = network()
    options = {"sparsity": 0.5, "steps": kind(10), "gradient_steps": kind(2)}
    made = fggp.Pruner(model, sgd(model), fggp.method("fggp", **options), seed=kind(3))
    state = read_back(made)
    assert {type(state[it]) for it in ("seed", "steps", "end", "last")} == {int}
    assert state["seed"] == 3
    plain = fggp.method("fggp", sparsity=0.5, steps=10, gradient_steps=2)
    assert state["method"] == plain.identity
    fggp.Pruner(model, sgd(model), plain, seed=3).load_state_dict(state)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, str])
def test_floats_of_numpy_are_the_numbers_that_they_are_written_as(
    kind: Callable[[float], Any],
) -> None:
    given = {"sparsity": kind(0.9), "initial_sparsity": kind(0.1), "rho": kind(0.3)}
    made = fggp.method("fggp", steps=40, **given)
    assert made == fggp.method("fggp", sparsity=0.9, initial_sparsity=0.1, steps=40, rho=0.3)
    model = network()
    fggp.Pruner(model, sgd(model), made).load_state_dict(
        read_back(fggp.Pruner(model, sgd(model), made))
    )
    masks = fggp.sparsify(network(), kind(0.9))
    assert all(map(torch.equal, masks.values(), fggp.sparsify(network(), 0.9).values()))


def test_numbers_of_numpy_inside_a_setting_are_those_of_python() -> None:
    rate = {"schedule": "cosine", "start": np.float32(0.5), "end": np.float64(0.1)}
    plain = {"schedule": "cosine", "start": 0.5, "end": 0.1}
    how = {"sparsity": 0.9, "steps": 40}
    made, expected = (fggp.method("fggp", pool="kept", rate=it, **how) for it in (rate, plain))
    assert made == expected
    shares = (np.float32(0.2), np.int64(0))
    assert fggp.method("mest", shares=shares, **how) == fggp.method("mest", shares=(0.2, 0), **how)


def test_a_state_with_numbers_of_numpy_is_saved_again_with_those_of_python() -> None:
    made = pruner()
    made.load_state_dict(made.state_dict() | {"seed": np.int64(4), "end": np.int64(10)})
    assert read_back(made)["seed"] == 4


@pytest.mark.parametrize("name", [name for name in fggp.METHODS if name != "small-dense"])
def test_the_state_of_every_method_is_read_by_default(name: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 4
    sparsity = np.float32(0 if fggp.METHODS[name].starts == "none" else 0.5)
    made = fggp.Pruner(
        *(model, sgd(model), fggp.method(name, sparsity=sparsity, steps=np.int64(60))),
        seed=np.int64(3),
        batches=[(images, labels)],
        loss=nn.functional.cross_entropy,
    )
    assert read_back(made)["end"] == 60


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fggp.sparsify(MODEL, 90), r"did you mean 0\.9\?"),
        (
            lambda: fggp.sparsify(0.9, MODEL),
            r"model: 0\.9 is not.*fggp\.sparsify\(model, spar",
        ),
        (lambda: fggp.sparsify(MODEL, MODEL), "is not a number"),
        (lambda: fggp.sparsify(MODEL, 0.5, params=MODEL.parameters()), "not the parameters"),
        (lambda: Timing(100, 0, 50, 0), "every: 0 is out of range; the nearest valid is 1"),
        (lambda: Timing(100, 0, 100 / 2, 10), r"end: 50\.0 is not a whole number; give 50"),
        (lambda: Timing(-1, 0, 0, 1), "steps: -1 is out of range; the nearest valid is 1"),
        (lambda: Timing(100, -100, 50, 1), "begin: -100 is out of range; the nearest valid is 0"),
        (lambda: Timing(100, 0, -5, 1), "end: -5 is out of range; the nearest valid is 0"),
        (lambda: Timing(torch.tensor(True), 0, 1, 1), r"steps: tensor\(True\) is not a whole num"),
    ],
)
def test_other_calls_are_refused_with_the_fix(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize(
    ("name", "timing"),
    [
        ("gmp", Timing(100, 0, 100, 10)),
        ("gmp", Timing(100, 99, 100, 1)),
        ("random", Timing(100, 0, 0, 1)),  # its masks are final: there is no window
        ("imp", Timing.in_rounds(40, 10, 3)),
    ],
)
def test_a_window_may_end_with_the_training(name: str, timing: Timing) -> None:
    made = fggp.method(name, sparsity=0.5, steps=timing.steps, timing=timing)
    assert made.timing.end == timing.end


def test_names_may_come_from_a_generator() -> None:
    made = pruner(params=(name for name, p in network().named_parameters() if p.ndim > 1))
    assert list(made.masks) == ["0.weight", "2.weight"]


def test_a_mask_is_not_exchanged_but_written_into() -> None:
    made = pruner()
    mask = torch.zeros(16, 8, dtype=torch.bool)
    changes: list[Callable[[], Any]] = [
        lambda: made.masks.__setitem__("0.weight", mask),
        lambda: made.masks.update({"0.weight": mask}),
        lambda: made.masks.pop("0.weight"),
        made.masks.clear,
    ]
    for change in changes:
        with pytest.raises(TypeError, match=r"pruner\.masks\[name\]\.copy_\(mask\), .*apply\(\)"):
            change()
    made.masks["0.weight"].copy_(mask)
    made.apply()
    assert not made.model.get_parameter("0.weight").any()
    assert made.layers()[0].kept == 0


def test_masks_are_saved_and_read_as_any_dictionary() -> None:
    made, file = pruner(), io.BytesIO()
    torch.save(made.masks, file)
    file.seek(0)
    read = torch.load(file, weights_only=True)
    read["0.weight"] = torch.zeros(1)
    assert list(copy.deepcopy(made.masks)) == list(read) == ["0.weight", "2.weight"]
    assert torch.equal(read["2.weight"], made.masks["2.weight"])


def state(name: str = "fggp", **settings: Any) -> dict[str, Any]:
    model = network()
    values = {"sparsity": 0.9, "steps": 40} | settings
    return fggp.Pruner(model, sgd(model), fggp.method(name, **values)).state_dict()


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({"sparsity": 0.8}, "the state is of sparsity 4/5, this pruner of sparsity 9/10; make"),
        ({"rho": 0.25}, "the state is of rho 0.25, this pruner of rho 0.5; make the method with"),
        ({"steps": 20}, r"of steps 20, .*of steps 40, .*extend=True\)"),
        ({"steps": 80}, "of steps 80, .*give fggp.method the steps and the timing of the state"),
        (
            {"timing": Timing(40, 0, 20, 2)},
            "the state is of every 2, this pruner of every 1; give fggp.method the steps",
        ),
        ({"name": "gmp"}, "the state is of gmp .* this pruner of fggp"),
    ],
)
def test_a_state_of_other_settings_is_refused_by_what_differs(
    saved: dict[str, Any], message: str
) -> None:
    model = network()
    made = fggp.Pruner(model, sgd(model), fggp.method("fggp", sparsity=0.9, steps=40))
    with pytest.raises(ValueError, match=message) as refusal:
        made.load_state_dict(state(**saved))
    assert "\n" not in str(refusal.value)
    made.load_state_dict(state())


def test_a_state_without_settings_is_recognised_as_before() -> None:
    model = network()
    made = fggp.Pruner(model, sgd(model), fggp.method("fggp", sparsity=0.9, steps=40))
    old = {key: value for key, value in state().items() if key not in {"settings", "end"}}
    made.load_state_dict(old)
    with pytest.raises(ValueError, match=r"the state is of fggp .* this pruner of fggp"):
        made.load_state_dict(old | {"method": old["method"].replace("steps=40", "steps=20")})


def test_a_pruner_and_a_method_say_in_a_line_what_they_are() -> None:
    made = pruner()
    assert repr(made) == ("<Pruner: random to sparsity 0.5, step 0 of 10, 2 layers of 192 weights>")
    method = fggp.method("gmp", sparsity="2/3", steps=10, scope="layer")
    assert repr(method).startswith("fggp.method('gmp', sparsity='2/3', initial_sparsity=0, steps=1")
    assert "scope='layer'" in repr(method)
    assert "\n" not in repr(method)
    assert eval(repr(method), {"fggp": fggp, "Timing": Timing}) == method


def test_the_package_lists_its_public_names_alone() -> None:
    assert dir(fggp) == sorted([*fggp.__all__, "__version__"])


def test_metrics_are_numbers_by_name() -> None:
    made = pruner()
    assert made.metrics() == {
        "sparsity": 0.5, "target_sparsity": 0.5, "kept": 96, "total": 192, "step": 0, "steps": 10,
        "leak": 0.0, "update": 0, "updates": 0,
    }  # fmt: skip
    layers = made.metrics(per_layer=True)
    assert layers["sparsity/2.weight"] == 1 - int(made.masks["2.weight"].sum()) / 64
    assert all(type(value) in {int, float} for value in layers.values())
