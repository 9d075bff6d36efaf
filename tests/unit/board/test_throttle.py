"""Tests of how log-ins are slowed down for those who guess."""

from certline.board.access import throttle
from certline.board.access.throttle import MEMORY, MOST, Throttle, network_of


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def fail(guard: Throttle, times: int, user: str = "anna", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        guard.failed(user, address)


def test_a_few_mistakes_cost_no_time() -> None:
    guard = Throttle(Clock())
    fail(guard, throttle.FREE["pair"] - 1)

    assert guard.wait("anna", "192.0.2.1") == 0


def test_each_further_mistake_doubles_the_pause() -> None:
    guard = Throttle(Clock())
    pauses = []
    fail(guard, throttle.FREE["pair"] - 1)
    for _ in range(12):
        fail(guard, 1)
        pauses.append(guard.wait("anna", "192.0.2.1"))

    assert pauses[:4] == [2.0, 4.0, 8.0, 16.0]
    assert pauses[-1] == throttle.LONGEST["pair"]


def test_a_pause_ends() -> None:
    clock = Clock()
    guard = Throttle(clock)
    fail(guard, throttle.FREE["pair"])
    clock.now += 2.0

    assert guard.wait("anna", "192.0.2.1") == 0


def test_somebody_who_guesses_keeps_the_user_out_for_a_minute_at_most() -> None:
    guard = Throttle(Clock())
    fail(guard, 1_000)

    assert 0 < guard.wait("anna", "198.51.100.7") <= 60


def test_an_address_that_tries_many_users_is_slowed_down() -> None:
    guard = Throttle(Clock())
    for number in range(throttle.FREE["address"]):
        fail(guard, 1, user=f"user{number}")

    assert guard.wait("somebody", "192.0.2.1") > 0
    assert guard.wait("somebody", "198.51.100.7") == 0


def test_all_addresses_of_an_ipv6_network_are_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")


def test_many_who_log_in_from_one_address_are_not_slowed_down() -> None:
    guard = Throttle(Clock())
    for number in range(200):
        fail(guard, 1, user=f"user{number}")  # counted before the password is checked
        guard.succeeded(f"user{number}", "192.0.2.1")

    assert guard.wait("anna", "192.0.2.1") == 0


def test_mistakes_are_forgotten_after_an_hour() -> None:
    clock = Clock()
    guard = Throttle(clock)
    fail(guard, throttle.FREE["pair"] + 5)
    clock.now += MEMORY + 1
    fail(guard, 1)

    assert guard.wait("anna", "192.0.2.1") == 0


def test_memory_stays_bounded_however_many_guess() -> None:
    guard = Throttle(Clock())
    for number in range(MOST):
        guard.failed(f"user{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(guard) <= MOST
