# pragma version 0.4.3
"""
@title Governor
@license Apache-2.0
@notice The only owner of what can be changed in the venue's contracts, and what it can change is a list fixed at
        deployment: parameters, each with bounds, a largest step and a time between two steps. Stakers propose and vote;
        what they have decided waits out a delay and is then carried out by anyone. A guardian can veto it.
@dev There is no call to an address or a function of a proposer's choice, so no majority reaches what is not on the list;
     user funds are not. Votes count what was staked before the proposal was made. Shares in 1e-18, times in seconds.
@custom:kill The guardian vetoes. It cannot propose, vote or change anything, nor veto its own replacement.
"""

ONE: constant(uint256) = 10**18
MAX_STEPS: constant(uint256) = 8
MAX_KINDS: constant(uint256) = 32
# Longer than the longest settlement window that Clearing allows: whatever was acknowledged before has settled.
SHORTEST_DELAY: constant(uint256) = 86_400
# What may not be vetoed, wherever there is a guardian.
REPLACEMENT: constant(bytes4) = method_id("set_guardian(address)", output_type=bytes4)

interface Staking:
    def COOLDOWN() -> uint256: view
    def votes_at(account: address, time: uint256) -> uint256: view
    def total_at(time: uint256) -> uint256: view

flag Form:
    # setter(value) and getter()
    PLAIN
    # setter(argument, value) and getter(argument), with the argument of the kind
    PLACED
    # the same with an argument of the proposer's choice; all arguments share one interval
    FREE

# One thing that can be changed. Without a getter there is no present value, so only the bounds hold.
struct Kind:
    target: address
    setter: bytes4
    getter: bytes4
    form: Form
    argument: uint256
    least: uint256
    most: uint256
    step: uint256
    interval: uint256

struct Step:
    kind: uint256
    argument: uint256
    value: uint256

struct Proposal:
    proposer: address
    steps: bytes32
    made_at: uint256
    yes: uint256
    no: uint256
    is_vetoed: bool
    is_executed: bool

# Shares of what was staked: to propose, and to vote at all; of the votes: to accept.
struct Rules:
    threshold: uint256
    quorum: uint256
    majority: uint256
    voting: uint256
    delay: uint256
    grace: uint256

event KindsSet:
    count: uint256

event Proposed:
    proposal: indexed(uint256)
    proposer: indexed(address)
    steps: DynArray[Step, MAX_STEPS]
    text: bytes32
    ends: uint256
    ripe_at: uint256

event Voted:
    proposal: indexed(uint256)
    account: indexed(address)
    is_yes: bool
    votes: uint256

event Vetoed:
    proposal: indexed(uint256)

event StepTaken:
    proposal: indexed(uint256)
    kind: indexed(uint256)
    argument: uint256
    value: uint256

event Executed:
    proposal: indexed(uint256)

event GuardianSet:
    guardian: address

STAKING: public(immutable(address))
DEPLOYER: public(immutable(address))
RULES: immutable(Rules)

guardian: public(address)
kinds: public(DynArray[Kind, MAX_KINDS])
count: public(uint256)
proposals: public(HashMap[uint256, Proposal])
has_voted: public(HashMap[uint256, HashMap[address, bool]])
# kind -> time of the last step
_stepped: HashMap[uint256, uint256]


@deploy
def __init__(staking: address, guardian: address, rules: Rules):
    """
    @param rules The cooldown of the staking outlasts voting and delay: whoever decides bears what it does.
    """
    assert rules.threshold > 0 and rules.threshold <= ONE // 10, "parameter_range"
    assert rules.quorum >= ONE // 20 and rules.quorum <= ONE, "parameter_range"
    assert rules.majority > ONE // 2 and rules.majority <= ONE, "parameter_range"
    assert rules.voting > 0 and rules.delay >= SHORTEST_DELAY and rules.grace > 0, "parameter_range"
    assert staticcall Staking(staking).COOLDOWN() >= rules.voting + rules.delay, "parameter_range"
    STAKING = staking
    DEPLOYER = msg.sender
    RULES = rules
    self.guardian = guardian


@external
def set_kinds(kinds: DynArray[Kind, MAX_KINDS]):
    """
    @notice Say what can be changed. Only the deployer, and only once: the targets name this contract, so they come after.
    """
    assert msg.sender == DEPLOYER, "only_deployer"
    assert len(self.kinds) == 0 and len(kinds) > 0, "kinds_set"
    for kind: Kind in kinds:
        assert kind.target.is_contract and kind.setter != empty(bytes4), "parameter_range"
        assert kind.form != empty(Form), "parameter_range"
        # Two steps in one proposal must not add up to what one may not.
        assert kind.least <= kind.most and kind.interval > 0, "parameter_range"
    self.kinds = kinds
    log KindsSet(count=len(kinds))


# -- proposals ---------------------------------------------------------------------------------------------------------


@external
def propose(steps: DynArray[Step, MAX_STEPS], text: bytes32) -> uint256:
    """
    @notice Propose steps, to be taken together and in this order, or not at all.
    @param text Hash of what is to be said for it.
    @return The number of the proposal.
    """
    assert len(steps) > 0, "steps_none"
    snapshot: uint256 = block.timestamp - 1
    votes: uint256 = staticcall Staking(STAKING).votes_at(msg.sender, snapshot)
    total: uint256 = staticcall Staking(STAKING).total_at(snapshot)
    assert votes > 0 and votes * ONE >= total * RULES.threshold, "votes_few"
    for step: Step in steps:
        assert step.kind < len(self.kinds), "kind_unknown"
        kind: Kind = self.kinds[step.kind]
        assert step.argument == 0 or kind.form == Form.FREE, "kind_argument"
        assert step.value >= kind.least and step.value <= kind.most, "step_range"
    number: uint256 = self.count + 1
    self.count = number
    self.proposals[number] = Proposal(
        proposer=msg.sender,
        steps=keccak256(abi_encode(steps)),
        made_at=block.timestamp,
        yes=0,
        no=0,
        is_vetoed=False,
        is_executed=False,
    )
    ends: uint256 = block.timestamp + RULES.voting
    log Proposed(
        proposal=number, proposer=msg.sender, steps=steps, text=text, ends=ends, ripe_at=ends + RULES.delay
    )
    return number


@external
def vote(number: uint256, is_yes: bool):
    """
    @notice Vote with all that the caller had staked before the proposal was made. Once, and for good.
    """
    made_at: uint256 = self.proposals[number].made_at
    assert made_at != 0, "proposal_unknown"
    assert block.timestamp < made_at + RULES.voting, "voting_over"
    assert not self.has_voted[number][msg.sender], "vote_cast"
    votes: uint256 = staticcall Staking(STAKING).votes_at(msg.sender, made_at - 1)
    assert votes > 0, "votes_few"
    self.has_voted[number][msg.sender] = True
    if is_yes:
        self.proposals[number].yes += votes
    else:
        self.proposals[number].no += votes
    log Voted(proposal=number, account=msg.sender, is_yes=is_yes, votes=votes)


@external
def veto(number: uint256, steps: DynArray[Step, MAX_STEPS]):
    """
    @notice Stop a proposal for good. Only the guardian, and not one that does nothing but replace a guardian.
    @param steps Of the proposal.
    """
    assert msg.sender == self.guardian, "only_guardian"
    self._check_open(number, steps)
    is_replacement: bool = True
    for step: Step in steps:
        if self.kinds[step.kind].setter != REPLACEMENT:
            is_replacement = False
    assert not is_replacement, "veto_own"
    self.proposals[number].is_vetoed = True
    log Vetoed(proposal=number)


@external
@nonreentrant
def execute(number: uint256, steps: DynArray[Step, MAX_STEPS]):
    """
    @notice Take the steps of an accepted proposal whose delay has passed. Anyone.
    @param steps Of the proposal.
    """
    self._check_open(number, steps)
    proposal: Proposal = self.proposals[number]
    ripe_at: uint256 = proposal.made_at + RULES.voting + RULES.delay
    assert block.timestamp >= ripe_at, "proposal_early"
    assert block.timestamp < ripe_at + RULES.grace, "proposal_late"
    assert self._is_accepted(proposal), "proposal_rejected"
    self.proposals[number].is_executed = True
    for step: Step in steps:
        self._take(step)
        log StepTaken(proposal=number, kind=step.kind, argument=step.argument, value=step.value)
    log Executed(proposal=number)


@external
def set_guardian(guardian: address):
    """
    @notice Replace the guardian. Only a proposal that was carried out.
    """
    assert msg.sender == self, "only_governor"
    self.guardian = guardian
    log GuardianSet(guardian=guardian)


@internal
@view
def _check_open(number: uint256, steps: DynArray[Step, MAX_STEPS]):
    proposal: Proposal = self.proposals[number]
    assert proposal.made_at != 0, "proposal_unknown"
    assert keccak256(abi_encode(steps)) == proposal.steps, "steps_other"
    assert not proposal.is_executed, "proposal_executed"
    assert not proposal.is_vetoed, "proposal_vetoed"


@internal
@view
def _is_accepted(proposal: Proposal) -> bool:
    total: uint256 = staticcall Staking(STAKING).total_at(proposal.made_at - 1)
    cast: uint256 = proposal.yes + proposal.no
    return cast * ONE >= total * RULES.quorum and proposal.yes * ONE >= cast * RULES.majority and cast > 0


@internal
def _take(step: Step):
    kind: Kind = self.kinds[step.kind]
    since: uint256 = self._stepped[step.kind]
    assert since == 0 or block.timestamp >= since + kind.interval, "step_early"
    self._stepped[step.kind] = block.timestamp
    argument: uint256 = step.argument if kind.form == Form.FREE else kind.argument
    if kind.getter != empty(bytes4):
        before: uint256 = self._read(kind, argument)
        change: uint256 = step.value - before if step.value > before else before - step.value
        assert change <= kind.step, "step_size"
    if kind.form == Form.PLAIN:
        raw_call(kind.target, concat(kind.setter, convert(step.value, bytes32)))
    else:
        raw_call(kind.target, concat(kind.setter, convert(argument, bytes32), convert(step.value, bytes32)))
    # A target that took the call and did something else is not what was voted on.
    if kind.getter != empty(bytes4):
        assert self._read(kind, argument) == step.value, "step_lost"


@internal
@view
def _read(kind: Kind, argument: uint256) -> uint256:
    if kind.form == Form.PLAIN:
        plain: Bytes[32] = raw_call(
            kind.target, slice(concat(kind.getter, empty(bytes32)), 0, 4), max_outsize=32, is_static_call=True
        )
        return convert(plain, uint256)
    placed: Bytes[32] = raw_call(
        kind.target, concat(kind.getter, convert(argument, bytes32)), max_outsize=32, is_static_call=True
    )
    return convert(placed, uint256)


# -- what can be asked -------------------------------------------------------------------------------------------------


@external
@view
def rules() -> Rules:
    """
    @notice How proposals become law.
    """
    return RULES


@external
@view
def kind_count() -> uint256:
    """
    @notice Number of things that can be changed.
    """
    return len(self.kinds)


@external
@view
def is_accepted(number: uint256) -> bool:
    """
    @notice Whether the votes so far accept a proposal.
    """
    assert self.proposals[number].made_at != 0, "proposal_unknown"
    return self._is_accepted(self.proposals[number])
