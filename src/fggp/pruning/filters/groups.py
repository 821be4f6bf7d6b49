"""Groups: channels that are kept or removed together, with all the layers that have them.

A residual sum ties the channels of its operands, so that all convolutions that write to one
residual stream are one group.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from fggp.pruning.filters.forms import PLANES, Form, after_linear, flattened, joined, planes
from fggp.pruning.filters.walk import Step, UnknownNetworkError, walk

ELSEWHERE = "torch-pruning removes filters of more networks (pip install 'fggp[foreign]')"
"""The alternative for networks that the walk refuses."""


@dataclass(frozen=True)
class Member:
    """A layer of a group.

    Attributes:
        name: name of the module.
        repeat: features per channel: more than 1 if positions were flattened into features.

    """

    name: str
    repeat: int = 1


@dataclass(frozen=True)
class Group:
    """Channels that go together; channel ``c`` is the same one in every member.

    Attributes:
        channels: number of channels.
        producers: names of convolutions and linear layers whose outputs (rows) they are.
        norms: batch normalizations of them.
        consumers: convolutions and linear layers whose inputs (columns) they are.

    """

    channels: int
    producers: tuple[str, ...]
    norms: tuple[Member, ...]
    consumers: tuple[Member, ...]


@dataclass
class _Channels:
    """Channels of a value while the network is traversed; ``fixed`` ones are never removed."""

    channels: int | None = None
    fixed: bool = False
    producers: list[str] = field(default_factory=list)
    norms: list[Member] = field(default_factory=list)
    consumers: list[Member] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """The channels of each value of a network.

    Attributes:
        groups: the result of `groups`.
        steps: steps of the network.
        group_of: the index of the group by the step that computes a value; inputs and outputs of
            the network, whose channels are never removed, have none.
        outputs: steps whose values the network returns.

    """

    groups: tuple[Group, ...]
    steps: tuple[Step, ...]
    group_of: dict[int, int]
    outputs: tuple[int, ...]


def groups(model: nn.Module) -> tuple[Group, ...]:
    """Return the groups of a network, in the order in which they are computed.

    Inputs and outputs of the network belong to no group, and neither do channels on both sides of a
    shortcut that adds channels of zeros. VGG-19 has 16 groups, each from one convolution to the
    next; ResNet-50 has 37: the stem, two per block, and the residual stream of each of its four
    stages.

    The network is read without an input. Features behind a linear layer may have positions, (N,
    positions, features), up to the next linear layer, but not if they are flattened. Batch
    normalization behind a linear layer is taken for that of (N, features).

    Args:
        model: a network of convolutions, linear layers, batch normalization, pointwise functions,
            pooling, sums and products, in any mode.

    Raises:
        UnknownNetworkError: a ValueError that names the unknown part.

    """
    return layout(model).groups


def layout(model: nn.Module) -> Layout:
    """Return the groups of a network with the steps in which they were found.

    Raises UnknownNetworkError like `groups`.
    """
    reading = _Reading()
    try:
        steps, outputs = walk(model)
        for step in steps:
            reading.read(step)
    except UnknownNetworkError as error:
        raise UnknownNetworkError(f"{error}; {ELSEWHERE}") from None
    for place in outputs:
        reading.channels_of(place).fixed = True
    every = [reading.channels_of(place) for place in range(len(steps))]
    free: list[_Channels] = []
    for it in every:
        if not it.fixed and not any(it is other for other in free):
            free.append(it)
    order = {step.name: place for place, step in reversed(list(enumerate(steps)))}
    found = tuple(
        Group(
            it.channels or 0,
            tuple(sorted(it.producers, key=order.__getitem__)),
            *(
                tuple(sorted(part, key=lambda x: order[x.name]))
                for part in (it.norms, it.consumers)
            ),
        )
        for it in free
    )
    group_of = {
        place: index
        for place, it in enumerate(every)
        for index, other in enumerate(free)
        if it is other
    }
    return Layout(found, tuple(steps), group_of, outputs)


class _Reading:
    """Traverses the steps and ties channels that belong together."""

    def __init__(self) -> None:
        self._places: list[int] = []  # value → its channels, by index
        self._channels: list[_Channels] = []
        self._forms: list[Form] = []
        self._called: dict[str, tuple[int, int]] = {}  # source and value of the first call
        self._owners: dict[int, str] = {}

    def channels_of(self, place: int) -> _Channels:
        """Return the channels of the value of a step."""
        return self._channels[self._places[place]]

    def read(self, step: Step) -> None:
        """Add a step; its value has the same place."""
        if step.kind == "input":
            self._new(_Channels(fixed=True), "unknown")
        elif step.kind == "weights":
            self._weights(step)
        elif step.kind in {"sum", "product"}:
            self._join(step)
        else:
            self._of_one(step)

    def _of_one(self, step: Step) -> None:
        """Add a step without weights that reads one value."""
        (source,) = step.sources
        form = self._forms[source]
        if step.kind in {"pool", "pad"}:
            self._check_planes(step, form)
        if step.kind == "pad":
            self.channels_of(source).fixed = True
            self._new(_Channels(step.module.outputs, fixed=True), planes(2))
            return
        if step.kind == "norm":
            self._norm(step, source)
        self._same(source, flattened(form) if step.kind == "flatten" else form)

    def _join(self, step: Step) -> None:
        """Add a sum or a product, which ties the channels of both values."""
        one, other = step.sources
        form = joined(self._forms[one], self._forms[other])
        if form is None:
            kinds = " and ".join(_words(self._forms[it]) for it in step.sources)
            raise UnknownNetworkError(
                f"{step.name}: joins {kinds}; only values of one kind are known here"
            )
        self._tie(one, other, step.name)
        self._same(one, form)

    def _weights(self, step: Step) -> None:
        (source,) = step.sources
        linear = isinstance(step.module, nn.Linear)
        inputs = step.module.in_features if linear else step.module.in_channels
        outputs = step.module.out_features if linear else step.module.out_channels
        owner = self._owners.setdefault(id(step.module.weight), step.name)
        if owner != step.name:
            raise UnknownNetworkError(f"{step.name}: shares its weight with {owner}")
        form = self._after_weights(step, self._forms[source])
        repeat = self._repeat(step, source, inputs)
        if step.name in self._called:
            earlier, place = self._called[step.name]
            self._tie(source, earlier, step.name)
            self._same(place, form)
            return
        self.channels_of(source).consumers.append(Member(step.name, repeat))
        self._new(_Channels(outputs, producers=[step.name]), form)
        self._called[step.name] = source, len(self._places) - 1

    def _after_weights(self, step: Step, form: Form) -> Form:
        """Return the form of the output of a convolution or linear layer; refuse a wrong input."""
        linear = isinstance(step.module, nn.Linear)
        if form != "unknown" and linear == (form in PLANES):
            raise UnknownNetworkError(
                f"{step.name}: {type(step.module).__name__} on {_kind(form)}; flatten(x, 1) goes "
                "between convolutions and linear layers"
            )
        if linear:
            return after_linear(form)
        self._check_planes(step, form)
        return planes(*step.dimensions)

    def _check_planes(self, step: Step, form: Form) -> None:
        """Refuse planes of another number of dimensions: torch may take channels for positions."""
        known = [planes(it) for it in step.dimensions]
        if form != "unknown" and form not in known:
            called = step.name if step.module is None else type(step.module).__name__
            raise UnknownNetworkError(
                f"{step.name}: {called} on {_words(form)}; it takes {' or '.join(known)} planes"
            )

    def _norm(self, step: Step, source: int) -> None:
        form = self._forms[source]
        if form in PLANES or step.dimensions != (1,):
            self._check_planes(step, form)
        # Its scale, shift and statistics are cut once, so that all calls lose the same channels.
        earlier, _ = self._called.setdefault(step.name, (source, source))
        self._tie(source, earlier, step.name)
        values = self.channels_of(source)
        member = Member(step.name, self._repeat(step, source, step.module.num_features))
        if member not in values.norms:
            values.norms.append(member)

    def _repeat(self, step: Step, source: int, features: int) -> int:
        """Return the features per channel of a layer that reads a value."""
        channels = self.channels_of(source).channels
        if channels is None:
            return 1  # an input of the network
        if features % channels:
            raise UnknownNetworkError(
                f"{step.name}: {features} inputs are not a multiple of {channels} channels"
            )
        if features > channels and self._forms[source] in {"positions first", "channels last"}:
            raise UnknownNetworkError(
                f"{step.name}: {features} inputs are {channels} features of a linear layer at "
                f"{features // channels} positions; only flattened planes of convolutions may have "
                "several"
            )
        return features // channels

    def _new(self, channels: _Channels, form: Form) -> None:
        self._channels.append(channels)
        self._places.append(len(self._channels) - 1)
        self._forms.append(form)

    def _same(self, source: int, form: Form) -> None:
        self._places.append(self._places[source])
        self._forms.append(form)

    def _tie(self, one: int, other: int, name: str) -> None:
        a, b = self.channels_of(one), self.channels_of(other)
        if a is b:
            return
        if a.channels != b.channels and None not in {a.channels, b.channels}:
            raise UnknownNetworkError(f"{name}: ties {a.channels} channels to {b.channels}")
        joined = _Channels(
            a.channels if a.channels is not None else b.channels,
            a.fixed or b.fixed,
            *([*getattr(a, it), *getattr(b, it)] for it in ("producers", "norms", "consumers")),
        )
        old = {self._places[one], self._places[other]}
        self._channels.append(joined)
        self._places = [
            len(self._channels) - 1 if place in old else place for place in self._places
        ]


def _kind(form: Form) -> str:
    return "planes" if form in PLANES else "features"


def _words(form: Form) -> str:
    return f"{form} planes" if form in PLANES else _kind(form)
