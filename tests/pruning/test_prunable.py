"""The weights that are prunable by default and by name, and those that are refused."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import fggp
from fggp.models import build
from fggp.pruning.prunable import choose, prunable


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def zeros(tensors: Any) -> float:
    every = [tensor.detach() for tensor in tensors]
    return sum(int((it == 0).sum()) for it in every) / sum(it.numel() for it in every)


class Own(nn.Module):
    """A module of somebody's own with one parameter."""

    def __init__(self, **parameters: tuple[int, ...]) -> None:
        super().__init__()
        for name, shape in parameters.items():
            self.register_parameter(name, nn.Parameter(torch.randn(shape)))


def renamed(kind: str, **parameters: tuple[int, ...]) -> nn.Module:
    """Return a module of a type of that name."""
    made: nn.Module = type(kind, (Own,), {})(**parameters)
    return made


def names(*modules: nn.Module, **named: nn.Module) -> list[str]:
    model = nn.ModuleDict({str(i): it for i, it in enumerate(modules)} | named)
    model["last"] = nn.Linear(2, 2, bias=False)
    return list(prunable(model))[:-1]


WEIGHTS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(3, 4),
    "linear with one output": lambda: nn.Linear(3, 1),
    "convolution": lambda: nn.Conv1d(2, 3, 1),
    "depthwise convolution": lambda: nn.Conv2d(4, 4, 3, groups=4),
    "transposed convolution": lambda: nn.ConvTranspose3d(2, 3, 2),
    "embedding": lambda: nn.Embedding(5, 3),
    "bag": lambda: nn.EmbeddingBag(5, 3),
    "bilinear": lambda: nn.Bilinear(2, 3, 4),
    "cell": lambda: nn.GRUCell(3, 4),
    "lstm": lambda: nn.LSTM(3, 4, num_layers=2, proj_size=2),
    "attention": lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
    "attention of three": lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
    "matrix of one's own": lambda: Own(weight=(3, 4)),
    "experts": lambda: Own(gate_up_proj=(2, 3, 4)),
    "vocabulary": lambda: Own(embedding=(7, 3)),
    "convolution of transformers": lambda: renamed("Conv1D", weight=(3, 4), bias=(4,)),
    "attention over scales": lambda: renamed("MultiScaleAttention", qkv=(6, 4)),
    "list": lambda: nn.ParameterList([torch.randn(3, 4), torch.randn(4, 2)]),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_layers_are_prunable(kind: str) -> None:
    module = WEIGHTS[kind]()
    wanted = [f"0.{n}" for n, p in module.named_parameters() if p.ndim > 1 and "bias_" not in n]
    assert names(module) == wanted != []


OTHERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "layer norm over planes": (lambda: nn.LayerNorm([2, 3, 3]), "normalization"),
    "a norm of one's own": (lambda: renamed("LlamaRMSNorm", weight=(3, 4)), "normalization"),
    "layer scale": (lambda: renamed("LayerScale", gamma=(3, 4)), "normalization"),
    "layer scale of ConvNeXt": (lambda: Own(layer_scale=(4, 1, 1)), "scale"),
    "gamma": (lambda: Own(gamma=(4, 2)), "scale"),
    "temperature of each head": (lambda: Own(tau=(4, 1, 1)), "by its shape"),
    "class token": (lambda: Own(cls_token=(1, 1, 4)), "token"),
    "tokens": (lambda: Own(registers=(1, 3, 4)), "by its shape"),
    "positions of images": (lambda: Own(pos_embed=(1, 9, 4)), "positions"),
    "positions of words": (lambda: Own(positional_embedding=(9, 4)), "positions"),
    "bias table of Swin": (lambda: Own(relative_position_bias_table=(9, 2)), "positions"),
    "positions as a layer": (
        lambda: nn.ModuleDict({"position_embeddings": nn.Embedding(9, 4)}),
        "positions",
    ),
    "positions of GPT-2": (lambda: nn.ModuleDict({"wpe": nn.Embedding(9, 4)}), "positions"),
    "learned positions": (lambda: renamed("PositionalEncoding", weight=(9, 4)), "positions"),
    "state space": (lambda: Own(A_log=(8, 4)), "scale"),
    "empty": (lambda: nn.Linear(0, 4, bias=False), "empty"),
}


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("kind", OTHERS)
def test_scales_tokens_and_positions_are_left_out_and_listed_with_the_reason(kind: str) -> None:
    make, reason = OTHERS[kind]
    assert names(make()) == []
    model = nn.Sequential(nn.Linear(10, 10), make())
    assert [reason in said for said in choose(model).left_out.values()] == [
        True for p in model[1].parameters() if p.ndim > 1
    ]
    pruner = fggp.Pruner(model, sgd(model), fggp.method("gmp", sparsity=0.5, steps=8))
    assert all(f"{name}" in str(pruner) for name in pruner.left_out)


def test_what_is_left_out_by_default_is_pruned_by_name() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm([2, 3]))
    assert list(fggp.sparsify(model, 0.5, params=["1.weight"])) == ["1.weight"]
    assert choose(model, ["1.weight"]).left_out == {
        "0.weight": "not named",
        "1.bias": "scale or shift of a normalization",
    }


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_all_weights_of_the_networks_of_the_paper_are_prunable(name: str) -> None:
    model = build(name, width=1 / 8, classes=10)
    assert list(prunable(model)) == [n for n, p in model.named_parameters() if p.ndim > 1]
    assert choose(model).left_out == {}


def test_networks_of_torchvision_are_pruned_in_their_layers_alone() -> None:
    left = set(choose(torchvision.models.convnext_tiny()).left_out)
    assert {name.rpartition(".")[2] for name in left} == {"layer_scale"}
    left = set(choose(torchvision.models.swin_t()).left_out)
    assert {name.rpartition(".")[2] for name in left} == {"relative_position_bias_table"}
    assert set(choose(torchvision.models.vit_b_32()).left_out) == {
        "class_token",
        "encoder.pos_embedding",
    }


class Planes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm([8, 8, 8])
        self.out = nn.Linear(512, 4)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(self.norm(self.conv(x)).relu().flatten(1))
        return out


def test_normalization_over_planes_takes_no_weights_from_the_layers() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 3, 8, 8)
    y, model = x.flatten(1)[:, :4].argmax(1), Planes()
    optimizer = sgd(model)
    pruner = fggp.Pruner(model, optimizer, fggp.method("gmp", sparsity=0.9, steps=100))
    for _ in range(100):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    assert zeros([model.conv.weight, model.out.weight]) == pytest.approx(0.9, abs=1e-3)
    assert model.conv.weight.any()
    assert model.norm.weight.all()


def test_every_block_of_a_convnext_lives_at_half_its_weights() -> None:
    model = torchvision.models.convnext_tiny()
    fggp.sparsify(model, 0.5)
    scales = [p for n, p in model.named_parameters() if n.endswith("layer_scale")]
    assert zeros(scales) == 0


def frozen(part: str) -> nn.Module:
    """Return a network in which all but one part is frozen."""
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("body", nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64)))
    model.add_module("head", nn.Linear(64, 4))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(part))
    return model


@pytest.mark.parametrize("part", ["head", "none of them"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_frozen_layers_are_pruned_at_once_as_any_other(part: str, scope: Any) -> None:
    model = frozen(part)
    masks = fggp.sparsify(model, 0.9, scope=scope)
    assert list(masks) == ["body.0.weight", "body.2.weight", "head.weight"]
    assert zeros(p for p in model.parameters() if p.ndim > 1) == pytest.approx(0.9, abs=1e-3)
    assert [p.requires_grad for p in model.parameters()] == [
        p.requires_grad for p in frozen(part).parameters()
    ]
    assert list(fggp.sparsify(frozen(part), 0.9, params=["body.0.weight"])) == ["body.0.weight"]


def test_a_pruner_leaves_frozen_layers_out_and_says_where_they_are_most_of_the_weights() -> None:
    model, method = frozen("head"), fggp.method("gmp", sparsity=0.9, steps=9)
    with pytest.warns(RuntimeWarning, match=r"5,120 weights are left out.*body\.0\.weight.*frozen"):
        pruner = fggp.Pruner(model, sgd(model), method)
    assert pruner.left_out == {"body.0.weight": "frozen", "body.2.weight": "frozen"}
    assert "left out (frozen): body.0.weight, body.2.weight" in str(pruner)
    model = frozen("body")
    assert "head.weight" in fggp.Pruner(model, sgd(model), method).left_out


def test_a_frozen_layer_is_refused_where_it_is_to_be_trained() -> None:
    model, method = frozen("head"), fggp.method("gmp", sparsity=0.9, steps=9)
    with pytest.raises(ValueError, match=r"'body\.0\.weight' is frozen; unfreeze it with requires"):
        fggp.Pruner(model, sgd(model), method, params=["body.0.weight"])
    model = frozen("none of them")
    with pytest.raises(ValueError, match=r"nothing to prune; all its weights are frozen: unfreeze"):
        fggp.Pruner(model, sgd(model), method)


def lazy() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.LazyLinear(3))


def complex_one() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3, dtype=torch.complex64))


def quantized() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model[1].weight = nn.Parameter(torch.ones(3, 8, dtype=torch.int8), requires_grad=False)
    return model


def eight_bits() -> nn.Module:
    model = quantized()
    model[1].weight = nn.Parameter(torch.ones(3, 8).to(torch.float8_e4m3fn), requires_grad=False)
    return model


def on_meta() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))


def in_rows() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model[1].weight = nn.Parameter(torch.eye(3, 8).to_sparse())
    return model


def in_pieces() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    model[1].weight = nn.Parameter(torch.empty(0))
    model[1].weight.ds_id = 3  # as ZeRO of DeepSpeed marks what it has cut  # type: ignore[attr-defined]
    return model


REFUSED: dict[Callable[[], nn.Module], str] = {
    lazy: "has no shape yet, as its layer is lazy; run a batch through the model first",
    complex_one: "is complex, and only real weights are pruned",
    quantized: r"has dtype torch\.int8.* prune before you quantize",
    eight_bits: r"has dtype torch\.float8_e4m3fn.* prune before you quantize",
    on_meta: "has no values on the meta device; load them first",
    in_rows: r"is stored as torch\.sparse_coo; make it dense",
    in_pieces: "is cut into pieces.* use DistributedDataParallel",
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_what_cannot_be_pruned_rightly_is_refused_in_one_line_before_anything_changes(
    make: Callable[[], nn.Module], named: bool
) -> None:
    model = make()
    before = copy.deepcopy(model[0].weight)
    params = ["0.weight", "1.weight"] if named else None
    match = r"params: '[01]\.weight' " + REFUSED[make]
    with pytest.raises(ValueError, match=match) as refusal:
        fggp.sparsify(model, 0.5, params=params)
    assert "\n" not in str(refusal.value)
    if make not in {quantized, eight_bits, in_rows}:  # there it is frozen, or no optimizer takes it
        with pytest.raises(ValueError, match=match):
            fggp.Pruner(model, sgd(model), fggp.method("gmp", sparsity=0.5, steps=8), params=params)
    assert before.is_meta or torch.equal(before, model[0].weight)


@pytest.mark.filterwarnings("ignore:.*quantize.* deprecated")
def test_a_model_with_quantized_layers_is_refused() -> None:
    model = nn.Sequential(nn.Conv1d(2, 2, 1), torch.ao.nn.quantized.dynamic.Linear(4, 4))
    with pytest.raises(ValueError, match="'1' is a quantized layer; prune before you quantize"):
        fggp.sparsify(model, 0.5)
    assert list(fggp.sparsify(model, 0.5, params=["0.weight"])) == ["0.weight"]


def test_a_model_that_moves_after_the_pruner_was_made_is_refused_at_the_next_step() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    pruner = fggp.Pruner(model, sgd(model), fggp.method("random", sparsity=0.5, steps=8))
    # Between a CPU and a GPU parameters stay the same objects; there is none here to move them to.
    pruner.parameters["0.weight"] = nn.Parameter(torch.empty(8, 4, device="meta"))
    with pytest.raises(RuntimeError, match=r"moved from cpu to meta .* move it first, then make"):
        pruner.step()
    assert pruner.steps == 0


@pytest.mark.parametrize("make", [lazy, complex_one, quantized, in_rows])
def test_the_other_layers_of_such_a_model_are_pruned_by_name(make: Callable[[], nn.Module]) -> None:
    model = make()
    assert int(fggp.sparsify(model, 0.5, params=["0.weight"])["0.weight"].sum()) == 16


def test_a_lazy_model_is_pruned_after_its_first_batch() -> None:
    model = lazy()
    model(torch.randn(2, 4))
    assert list(fggp.sparsify(model, 0.5)) == ["0.weight", "1.weight"]


def test_infinite_weights_are_kept_or_zero_never_nan() -> None:
    model = nn.Linear(4, 4)
    with torch.no_grad():
        model.weight.fill_(math.inf)
    fggp.sparsify(model, 0.5)
    assert int(model.weight.isinf().sum()) == 8
    assert int((model.weight == 0).sum()) == 8


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = Own(token_table=(6, 4))
        self.out = nn.Linear(4, 6, bias=False)
        self.out.weight = self.tokens.token_table


def test_a_tied_weight_is_prunable_where_one_of_its_places_is_a_layer() -> None:
    assert list(prunable(Tied())) == ["tokens.token_table"]
    assert list(prunable(Tied(), ["out.weight"])) == ["tokens.token_table"]


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_layers_of_a_scripted_model_are_known_by_what_they_were() -> None:
    model = nn.Sequential(nn.Linear(1, 4), nn.LayerNorm([2, 2]), nn.Linear(4, 1))
    assert list(prunable(torch.jit.script(model))) == ["0.weight", "2.weight"]


def test_parameters_of_half_precision_are_prunable() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        model = nn.Linear(4, 4).to(dtype)
        assert int(fggp.sparsify(model, 0.5)["weight"].sum()) == 8
