"""What the governor of a deployment can change, and within which bounds.

Owns the list of parameters that is fixed when the contracts are deployed, by name and in its order. Imports chain,
contract and core units.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from exchange.core.units import USDC_ONE, WAD
from exchange.shell.chain import Address
from exchange.shell.contract import artifact

_ADDRESSES: Final = 2**160 - 1
_ACCOUNTS: Final = 2**32 - 1
_OFFERS: Final = 2**96 - 1  # a haircut above an account
_DAY_S: Final = 86_400
_CENT: Final = WAD // 100
INSURANCE, STAKERS, RESERVE, OPERATOR = range(4)  # parts of the treasury
NO_GETTER: Final = bytes(4)


class Form(IntEnum):
    """How a parameter is called: alone, with a fixed argument, or with one of the proposer's choice."""

    PLAIN = 1
    PLACED = 2
    FREE = 4


class Parameter(NamedTuple):
    """One thing that can be changed. Without a getter only the bounds hold; intervals in seconds."""

    name: str
    contract: str
    setter: str
    getter: str | None
    form: Form
    argument: int
    least: int
    most: int
    step: int
    interval_s: int


def _address(name: str, contract: str, setter: str, form: Form = Form.PLAIN) -> Parameter:
    return Parameter(name, contract, setter, None, form, 0, 0, _ADDRESSES, 0, _DAY_S)


def _share(name: str, part: int, most: int) -> Parameter:
    """At most five points of a hundred at a time, and once in a month."""
    step, interval_s = 5 * _CENT, 30 * _DAY_S
    return Parameter(name, "treasury", "set_share", "share_of", Form.PLACED, part, 0, most, step, interval_s)


PARAMETERS: Final = (
    _address("operator", "clearing", "set_operator"),
    _address("guardian", "governor", "set_guardian"),
    _address("vault_guardian", "vault", "set_guardian"),
    Parameter("vault_cap", "vault", "set_cap", "cap", Form.PLAIN, 0, 0, 10**18, 10**9 * USDC_ONE, 7 * _DAY_S),
    _share("share_of_insurance", INSURANCE, WAD),
    _share("share_of_stakers", STAKERS, 50 * _CENT),
    _share("share_of_operator", OPERATOR, 30 * _CENT),
    _address("receiver", "treasury", "set_receiver", Form.FREE),
    Parameter("spend", "treasury", "spend", None, Form.FREE, 0, 1, 100_000 * USDC_ONE, 0, 7 * _DAY_S),
    Parameter("insurance", "clearing", "set_insurance", None, Form.PLAIN, 0, 1, _ACCOUNTS, 0, _DAY_S),
    Parameter("provider", "clearing", "set_provider", None, Form.FREE, 0, 1, _OFFERS, 0, 3_600),
    Parameter("signer", "oracle", "replace_signer", None, Form.FREE, 0, 1, _ADDRESSES, 0, 30 * _DAY_S),
    Parameter("provider_dropped", "clearing", "drop_provider", None, Form.FREE, 0, 1, _ACCOUNTS, 0, 3_600),
)
_ARTIFACTS: Final = {
    "clearing": "Clearing",
    "governor": "Governor",
    "vault": "Vault",
    "oracle": "Oracle",
    "treasury": "Treasury",
}


def kinds(governor: Address, **targets: Address) -> list[tuple[object, ...]]:
    """The list as ``Governor.set_kinds`` takes it."""
    at = {"governor": governor, **targets}
    return [_kind(each, at[each.contract]) for each in PARAMETERS]


def _kind(parameter: Parameter, target: Address) -> tuple[object, ...]:
    interface = artifact(_ARTIFACTS[parameter.contract]).interface
    placed = parameter.form is not Form.PLAIN
    getter = NO_GETTER if parameter.getter is None else interface.selector(parameter.getter, int(placed))
    return (
        target,
        interface.selector(parameter.setter, 1 + placed),
        getter,
        int(parameter.form),
        parameter.argument,
        parameter.least,
        parameter.most,
        parameter.step,
        parameter.interval_s,
    )


def number(name: str) -> int:
    """Number of a parameter in the list. Raises KeyError."""
    return {each.name: place for place, each in enumerate(PARAMETERS)}[name]
