"""The methods that prune before training, against slow, obvious references without autograd."""

import copy
import re
from contextlib import suppress
from fractions import Fraction
from itertools import product
from math import ceil

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, network
from torch import nn
from torch.nn.functional import cross_entropy

import fggp
from fggp.models import build
from fggp.pruning import saliency
from fggp.pruning.initial_masks import counts
from fggp.pruning.prunable import prunable
from fggp.pruning.topk import keep_share
from fggp.pruning.vectors import flat

BATCH = [(IMAGES, LABELS)]
METHODS = {"magnitude-init": {"floor": 0}, "snip": {}, "grasp": {}, "synflow": {"rounds": 5}}
SCORED = ("snip", "grasp", "synflow")


def pruned(model, name, sparsity, *, seed=0, batches=BATCH, loss=cross_entropy, **settings):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method(name, sparsity=sparsity, steps=10, **settings)
    return fggp.Pruner(model, optimizer, method, seed=seed, batches=batches, loss=loss)


def kept(pruner):
    return flat(pruner.masks.values()).nonzero().squeeze(1).tolist()


def scores(name, model, batches, loss=cross_entropy, *, seed=0):
    parameters = prunable(model)
    if name == "synflow":
        everything = torch.ones(sum(p.numel() for p in parameters.values()), dtype=torch.bool)
        return saliency.synflow(model, parameters, batches[0][0], everything)
    settings = {"temperature": 200} if name == "grasp" else {}
    return getattr(saliency, name)(model, parameters, batches, loss, seed=seed, **settings)


# A smooth network in numpy that also takes complex weights: the imaginary part of its loss at
# w + ih, over h, is the derivative to the last digit.

GRAPE = (4, 3), (3, 4)


def grape(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, last = nn.Linear(3, 4, bias=False), nn.Linear(4, 3)
        return nn.Sequential(first, nn.BatchNorm1d(4), nn.Tanh(), last).double()


def grape_data(seed, size):
    random = np.random.default_rng(seed)
    return random.normal(size=(size, 3)), random.integers(0, 3, size)


def grape_loss(weights, bias, x, y, temperature=1.0):
    first, last = (
        part.reshape(shape) for part, shape in zip(np.split(weights, 2), GRAPE, strict=True)
    )
    hidden = x @ first.T
    centred = hidden - hidden.mean(0)
    hidden = np.tanh(centred / np.sqrt((centred * centred).mean(0) + 1e-5))
    logits = (hidden @ last.T + bias) / temperature
    return (np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y]).mean()


def slope(function, weights):
    step = 1e-30
    return np.array(
        [function(weights + 1j * step * unit).imag / step for unit in np.eye(len(weights))]
    )


def taken(model):
    return flat(prunable(model).values()).numpy(), model[-1].bias.detach().numpy()


def tensors(data):
    return [(torch.tensor(x), torch.tensor(y)) for x, y in data]


def test_snip_scores_are_gradient_times_weight_with_batches_in_proportion_to_their_size():
    model, data = grape(), [grape_data(1, 6), grape_data(2, 3)]
    weights, bias = taken(model)
    gradient = sum(
        len(y) / 9 * slope(lambda w: grape_loss(w, bias, x, y), weights)  # noqa: B023
        for x, y in data
    )
    got = scores("snip", model, tensors(data)).numpy()
    np.testing.assert_allclose(got, abs(weights * gradient), rtol=1e-10)


def test_grasp_scores_are_weight_times_the_hessian_along_the_gradient_over_halves_of_batches():
    model, data = grape(), [grape_data(1, 6), grape_data(2, 5)]
    weights, bias = taken(model)
    halves = [(x[a:b], y[a:b]) for x, y in data for a, b in ((0, len(y) // 2), (len(y) // 2, 9))]

    def gradient(at):
        return sum(
            len(y) / 11 * slope(lambda w: grape_loss(w, bias, x, y, 200.0), at)  # noqa: B023
            for x, y in halves
        )

    direction = gradient(weights)
    step = 1e-6 / np.linalg.norm(direction)
    ahead, behind = (gradient(weights + sign * step * direction) for sign in (1, -1))
    expected = weights * (ahead - behind) / (2 * step)
    got = scores("grasp", model, tensors(data)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * abs(expected).max())


def test_grasp_takes_batches_that_can_be_gone_through_only_once():
    data = tensors([grape_data(1, 6), grape_data(2, 4)])
    assert torch.equal(scores("grasp", grape(), data), scores("grasp", grape(), iter(data)))


FIG = (3, 2), (4, 3), (2, 4)


def fig(seed=0):
    """Three layers with ReLU and batch normalization; small integers make ties and zeros."""
    random = np.random.default_rng(seed)
    linears = [nn.Linear(shape[1], shape[0], bias=False) for shape in FIG]
    for linear in linears:
        linear.weight.data = torch.tensor(random.integers(-2, 3, linear.weight.shape)).float()
    # 1 + eps is 1, so that all flows are exact; PyTorch 2.10 refuses an eps of 0.
    norm = nn.BatchNorm1d(4, eps=1e-300)
    return nn.Sequential(linears[0], nn.ReLU(), linears[1], norm, nn.ReLU(), linears[2])


def fig_flow(weights):
    """Share every path's product of magnitudes among the weights on it."""
    layers = [abs(part) for part in weights]
    score = [np.zeros(part.shape) for part in layers]
    for inner in product(range(2), range(3), range(4), range(2)):
        steps = [(layer, inner[layer + 1], inner[layer]) for layer in range(3)]
        flow = np.prod([layers[layer][out, into] for layer, out, into in steps])
        for layer, out, into in steps:
            score[layer][out, into] += flow
    return np.concatenate([part.ravel() for part in score])


def fig_rounds(model, keep, rounds):
    mask = np.ones(26, dtype=bool)
    for left in counts(26, keep, rounds):
        cut = np.split(flat(prunable(model).values()).numpy() * mask, [6, 18])
        score = fig_flow([part.reshape(shape) for part, shape in zip(cut, FIG, strict=True)])
        ordered = sorted(np.flatnonzero(mask), key=lambda i: (score[i], i))
        mask = np.isin(np.arange(26), ordered[len(ordered) - left :])
    return np.flatnonzero(mask).tolist()


def test_synflow_scores_are_the_flow_over_all_paths_through_a_weight():
    for seed in range(5):
        model = fig(seed)
        weights = [p.detach().numpy() for p in prunable(model).values()]
        assert np.array_equal(
            scores("synflow", model, [(torch.zeros(7, 2), None)]), fig_flow(weights)
        )


@pytest.mark.parametrize("rounds", [1, 2, 7, 20])
def test_synflow_prunes_round_by_round_what_has_the_least_flow_left(rounds):
    for seed in range(8):
        keep = int(np.random.default_rng(seed).integers(1, 26))
        sparsity = Fraction(26 - keep, 26)
        expected = fig_rounds(fig(seed), keep, rounds)
        got = pruned(
            fig(seed), "synflow", sparsity, batches=[(torch.zeros(1, 2), None)], rounds=rounds
        )
        assert kept(got) == expected, seed


def test_many_rounds_of_synflow_keep_a_path_where_one_round_cuts_them_all():
    def model():
        random = np.random.default_rng(0)
        net = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in ((2, 2), (2, 30), (30, 2))))
        for layer in net:
            layer.weight.data = torch.tensor(random.random(layer.weight.shape)).float()
        return net

    def output(rounds):
        net = model()
        pruned(net, "synflow", "59/62", batches=[(torch.zeros(1, 2), None)], rounds=rounds)
        return float(net(torch.ones(1, 2)).sum().detach())

    assert output(1) == 0
    assert output(40) > 0


def test_a_weight_that_a_round_of_synflow_pruned_never_returns(monkeypatch):
    rounds = iter([[8, 7, 6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6, 7, 8]])
    monkeypatch.setattr(saliency, "synflow", lambda *_: torch.tensor(next(rounds)))
    model, batches = one_layer([1.0] * 8, [1.0] * 8)
    assert kept(pruned(model, "synflow", 0.5, batches=batches, rounds=2)) == [2, 3, 4, 5]


def test_the_counts_of_rounds_fall_exponentially_and_end_at_the_target():
    assert list(counts(1000, 10, 2)) == [100, 10]
    assert list(counts(8, 4, 2)) == [6, 4]  # 8·0.707107 = 5.66
    assert list(counts(8, 4, 1)) == [4]
    assert list(counts(8, 0, 3)) == [0, 0, 0]
    assert list(counts(8, 8, 3)) == [8, 8, 8]
    for total, keep in ((20_000_000, 400_001), (10**9, 10**9 - 600)):
        falling = list(counts(total, keep, 100))
        assert falling == sorted(falling, reverse=True)
        assert (len(falling), falling[-1]) == (100, keep)
        assert falling[0] <= total


def one_layer(weights, inputs):
    model = nn.Linear(len(weights), 1, bias=False)
    model.weight.data = torch.tensor([weights])
    return model, [(torch.tensor([inputs] * 2), torch.zeros(2))]


def half_square(output, target):
    return output.square().mean() / 2


@pytest.mark.parametrize(
    ("name", "keep", "expected"),
    [
        # |w| = 3 1 0 2 2 0 1 2
        ("magnitude-init", 3, [0, 4, 7]),
        ("magnitude-init", 6, [0, 1, 3, 4, 6, 7]),
        ("magnitude-init", 7, [0, 1, 3, 4, 5, 6, 7]),
        # w·x = 3 −1 0 −2 0 0 3 4: with x all along, g = (w·x)x and Hg = (w·x)(x·x)x, so that
        # scores are (7·) 3 1 0 2 0 0 3 4 for snip, (147·) w·x for grasp
        ("snip", 2, [6, 7]),
        ("snip", 4, [0, 3, 6, 7]),
        ("snip", 6, [0, 1, 3, 5, 6, 7]),
        ("grasp", 2, [6, 7]),
        ("grasp", 4, [0, 5, 6, 7]),
        ("grasp", 7, [0, 1, 2, 4, 5, 6, 7]),
        # a single layer: the flow through a weight is |w|
        ("synflow", 3, [0, 4, 7]),
        ("synflow", 7, [0, 1, 3, 4, 5, 6, 7]),
    ],
)
def test_eight_weights_by_hand(name, keep, expected):
    weights = [3.0, -1.0, 0.0, 2.0, 2.0, 0.0, 1.0, -2.0]
    inputs = [1.0, 1.0, 2.0, -1.0, 0.0, 1.0, 3.0, -2.0]
    model, batches = one_layer(weights, inputs)
    got = pruned(
        model, name, Fraction(8 - keep, 8), batches=batches, loss=half_square, **METHODS[name]
    )
    assert kept(got) == expected


def test_two_layers_by_hand():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, 0.0]])
    model[2].weight.data = torch.tensor([[1.0, -1.0], [2.0, 0.0]])
    batches = [(torch.zeros(1, 2), None)]
    assert scores("synflow", model, batches).tolist() == [3, 6, 3, 0, 3, 3, 6, 0]
    assert kept(pruned(model, "synflow", 0.5, batches=batches, rounds=1)) == [1, 4, 5, 6]


@pytest.mark.parametrize("name", ["magnitude-init", "snip"])
def test_floors_that_fill_the_target_leave_each_layer_its_floor(name):
    # 162, 432 and 40 weights: 5 + 13 + 2 = 20 = 634 − 614
    got = pruned(network(), name, Fraction(614, 634), floor="3/100")
    assert [layer.kept for layer in got.layers()] == [5, 13, 2]


@pytest.mark.parametrize("name", ["magnitude-init", "snip"])
def test_one_weight_less_than_the_floors_is_refused_before_anything_is_changed(name):
    model = network()
    with pytest.raises(ValueError, match="the floors of all layers keep 20 weights, the target"):
        pruned(model, name, Fraction(615, 634), floor="3/100")
    assert same_bits(model, network())


@pytest.mark.parametrize("name", ["magnitude-init", "snip"])
def test_a_floor_reserves_the_best_of_each_layer_and_leaves_the_rest_to_the_best_of_all(name):
    model, share, keep = network(), Fraction(2, 25), 64
    score = flat(prunable(model).values()).abs() if name != "snip" else scores(name, model, BATCH)
    layers = np.split(np.arange(634), [162, 594])
    order = sorted(range(634), key=lambda i: (float(score[i]), i))
    reserved = set()
    for layer in layers:
        best = [i for i in order if i in set(layer)]
        reserved |= set(best[len(best) - ceil(share * len(layer)) :])
    rest = [i for i in order if i not in reserved]
    expected = reserved | set(rest[len(rest) - (keep - len(reserved)) :])
    got = kept(pruned(model, name, Fraction(570, 634), floor=share))
    assert got == sorted(expected)
    assert got != kept(pruned(network(), name, Fraction(570, 634), floor=0))


def test_a_share_is_all_that_may_be_kept_where_a_layer_has_fewer():
    score = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0, 0.0])
    among = torch.tensor([True, False, True, False, False, True])
    got = keep_share(score, Fraction(1, 2), [4, 2], among)
    assert got.tolist() == [True, False, True, False, False, True]
    got = keep_share(score, Fraction(1, 4), [4, 2], among)
    assert got.tolist() == [True, False, False, False, False, True]


def same_bits(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(
        a.dtype == b.dtype and a.stride() == b.stride() and torch.equal(a, b) for a, b in pairs
    )


def worn():
    """Give a network that is not as it was made: statistics, gradients, layout, mixed modes."""
    model = network()
    cross_entropy(model(IMAGES), LABELS).backward()
    model = model.to(memory_format=torch.channels_last)
    model[3].weight.grad = None
    model.eval()
    model[4].train()
    return model


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("name", SCORED)
def test_scoring_leaves_the_model_bit_for_bit_as_it_was(name, fails):
    model = worn()
    reference = copy.deepcopy(model)
    gradients = [p.grad for p in model.parameters()]
    slopes = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    values = [p.data_ptr() for p in model.parameters()]
    random = torch.get_rng_state()
    broken = model[8].register_forward_hook(lambda *_: 1 / 0) if fails else None
    with suppress(ZeroDivisionError):
        scores(name, model, BATCH)
        assert not fails
    if broken is not None:
        broken.remove()
    assert same_bits(model, reference)
    assert [p.data_ptr() for p in model.parameters()] == values
    assert all(p.requires_grad for p in model.parameters())
    assert all(a is b.grad for a, b in zip(gradients, model.parameters(), strict=True))
    for before, after in zip(slopes, gradients, strict=True):
        assert before is after or torch.equal(before, after)
    assert [m.training for m in model.modules()] == [m.training for m in reference.modules()]
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_kept_has_the_value_it_had_and_buffers_are_as_they_were(name):
    model, reference = worn(), worn()
    pruner = pruned(model, name, 0.8, **METHODS[name])
    assert sum(layer.kept for layer in pruner.layers()) == 127
    before, after = dict(reference.named_parameters()), dict(model.named_parameters())
    for key, mask in pruner.masks.items():
        assert torch.equal(after[key], before[key] * mask)
    for one, other in zip(model.buffers(), reference.buffers(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", SCORED)
def test_scores_do_not_depend_on_the_memory_layout(name):
    model = network().double()
    batches = [(IMAGES.double(), LABELS)]
    plain = scores(name, model, batches)
    model = model.to(memory_format=torch.channels_last)
    assert model[3].weight.stride() != network()[3].weight.stride()
    torch.testing.assert_close(scores(name, model, batches), plain, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", SCORED)
def test_without_data_a_message_says_how_to_give_some_before_anything_is_changed(name):
    model = network()
    message = f"{name} scores weights before training, on data: give Pruner(..., batches=[(inputs"
    with pytest.raises(ValueError, match=re.escape(message)):
        pruned(model, name, 0.5, batches=None)
    with pytest.raises(ValueError, match=f"{name}: batches is empty; give at least one pair"):
        pruned(model, name, 0.5, batches=[])
    assert same_bits(model, network())


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_without_a_loss_a_message_says_how_to_give_one(name):
    with pytest.raises(ValueError, match=f"{name} .*loss=") as caught:
        pruned(network(), name, 0.5, loss=None)
    assert "\n" not in str(caught.value)


def test_of_the_data_synflow_uses_the_shape_alone():
    def masks(batches):
        return kept(pruned(network(), "synflow", 0.9, batches=batches, loss=None, rounds=3))

    assert masks(iter([(IMAGES, None)])) == masks([(IMAGES[:1] * 7, LABELS), None])


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_what_a_network_draws_comes_from_the_seed_alone(name):
    def masks(seed, elsewhere):
        model = nn.Sequential(*network()[:6], nn.Dropout(0.5), *network()[6:])
        torch.manual_seed(elsewhere)
        before = torch.get_rng_state()
        got = kept(pruned(model, name, 0.8, seed=seed))
        assert torch.equal(torch.get_rng_state(), before)
        return got

    assert masks(0, 1) == masks(0, 2)
    assert masks(0, 1) != masks(1, 1)


@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
@pytest.mark.parametrize("name", SCORED)
def test_both_backbones_can_be_scored(name, backbone):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(backbone, width=Fraction(1, 16))
    before = copy.deepcopy(model)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 3, 16, 16))).float()
    score = scores(name, model, [(images, torch.arange(8))])
    assert score.dtype == torch.float64
    assert all(layer.any() for layer in score.split([p.numel() for p in prunable(model).values()]))
    assert same_bits(model, before)


def flows(model):
    sizes = {name: p.numel() for name, p in prunable(model).items()}
    score = scores("synflow", model, [(torch.zeros(1, 3, 16, 16), None)])
    parts = score.split(list(sizes.values()))
    return {name: float(part.sum()) for name, part in zip(sizes, parts, strict=True)}


def test_in_a_chain_of_layers_the_same_flow_goes_through_each():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build("vgg19", width=Fraction(1, 16))
    through = flows(model)
    assert len(through) == 17
    assert list(through.values()) == pytest.approx([through["classifier.weight"]] * 17, rel=1e-12)


def test_flow_is_counted_beyond_float32_and_goes_through_either_way_around_a_block():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build("resnet50", width=Fraction(1, 16))
    with torch.no_grad():
        for parameter in prunable(model).values():
            parameter.mul_(10)
    through = flows(model)
    whole = through["classifier.weight"]
    assert whole > 1e40
    assert through["stem.weight"] == pytest.approx(whole, rel=1e-12)
    first = through["stage1.0.conv3.weight"] + through["stage1.0.downsample.0.weight"]
    assert first == pytest.approx(whole, rel=1e-12)


def test_the_signs_of_parameters_and_buffers_do_not_matter_to_synflow():
    model = network()
    for _ in range(3):
        cross_entropy(model(IMAGES), LABELS)
    before = scores("synflow", model, BATCH)
    assert model[1].running_mean.max() > 0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.neg_()
        model[1].running_mean.neg_()
    assert torch.equal(scores("synflow", model, BATCH), before)


def ending_in(last):
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), last)


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (ending_in(nn.LogSoftmax(1)), torch.ones(2, 2), "an output is negative; .* raw outputs"),
        (ending_in(nn.Softmax(1)), torch.ones(2, 2), "no flow goes through the prunable weights"),
        (nn.Embedding(4, 2), torch.ones(2, 2).long(), "takes inputs of torch.int64; use another"),
    ],
    ids=["log-softmax", "softmax", "tokens"],
)
def test_a_network_without_positive_flow_is_refused_by_synflow(model, inputs, message):
    with pytest.raises(ValueError, match=f"^synflow.*{message}"):
        pruned(model, "synflow", 0.5, batches=[(inputs, None)])


def test_a_flow_that_is_not_finite_is_refused():
    model = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3))).double()
    for layer in model:
        layer.weight.data.fill_(1e200)
    with pytest.raises(ValueError, match=r"synflow: the flow .* is not finite, even in float64"):
        pruned(model, "synflow", 0.5, batches=[(torch.ones(1, 2), None)])


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_scores_that_are_not_finite_or_all_zero_are_refused(name):
    def endless(output, target):
        return output.square().sum() * float("inf")

    def blind(output, target):
        return 0 * output.square().sum()

    with pytest.raises(ValueError, match=f"{name}: scores are not finite"):
        pruned(network(), name, 0.5, loss=endless)
    with pytest.raises(ValueError, match=f"{name}: all scores are zero"):
        pruned(network(), name, 0.5, loss=blind)


class Reader(nn.Module):
    """A small transformer over sequences of vectors; its attention is fused."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.classifier = nn.Linear(8, 3)

    def forward(self, x):
        return self.classifier(self.encoder(x).mean(1))


@pytest.mark.parametrize("name", ["snip", "grasp"])
def test_a_transformer_can_be_scored(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = Reader(), torch.randn(6, 5, 8)
    pruner = pruned(model, name, 0.9, batches=[(x, torch.arange(6) % 3)])
    assert sum(layer.kept for layer in pruner.layers()) == round(pruner.total * 0.1)
    assert all(layer.kept for layer in pruner.layers())


def test_synflow_refuses_a_network_that_normalizes_by_the_input():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Reader()
    with pytest.raises(ValueError, match="an output is negative"):
        pruned(model, "synflow", 0.9, batches=[(torch.ones(1, 5, 8), None)])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("grasp", {"temperature": 0}), ("synflow", {"rounds": 0}), ("snip", {"floor": 2})],
)
def test_settings_that_cannot_be_are_refused(name, settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        fggp.method(name, sparsity=0.9, steps=10, **settings)
