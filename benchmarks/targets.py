"""What is to be reached, and what it was before: the rows of the table in docs/performance.md."""

from collections.abc import Callable

from benchmarks.target import Figures, Target

# Figures of `million` are named by what is typed, and what of it was measured.
ROW_COST, SLOWEST = ": cost of a row, ÷ that at 10,000", ": slowest statement, s"
FIRST_BYTE = ": ms to the first byte"
FIRST_BYTE_SMALL = f"{FIRST_BYTE} among 10,000"
PAGE_CPU = ": ms of CPU"
# What is no list and no show.
WORK = (
    *("/metrics", "auto-renew enable", "auto-renew select", "auto-renew plan", "auto-renew run"),
    *("sweep", "account remove", "keys rotate"),
)


def highest(found: Figures, of: str, *, lists_only: bool = False) -> tuple[float, str]:
    """Return the highest of the figures of a kind, and whose it is. Raises KeyError if there is none."""
    values = [
        (value, name.removesuffix(of))
        for name, value in found.items()
        if name.endswith(of) and not (lists_only and name.startswith(WORK))
    ]
    if not values:
        raise KeyError(of)
    return max(values)


def cost_of(found: Figures, words: str) -> str:
    """Return what a command costs."""
    return f"{found[f'{words}: CPU s']:.2f}, {found[f'{words}: MB']:.0f}"


def is_light(found: Figures, words: str) -> bool:
    """Return True if a command that reads the database costs as little as it should."""
    return found[f"{words}: CPU s"] <= 0.45 and found[f"{words}: MB"] <= 60


def is_linear(latency: int) -> Callable[[Figures], bool]:
    """Return the test whether four processes do almost four times as much. At 20 ms two cores bound them."""
    return lambda found: found[f"linear_{latency}ms_4"] >= 0.9


TARGETS = [
    Target(
        1,
        "renewals a second (Celery in the same run)",
        "10.2 (38.7)",
        "renewal_storm",
        "{certline_rate:.1f} ({celery_rate:.1f}), ratio {rate_ratio:.2f}",
        "≥ 1.0 times Celery's",
        lambda found: found["rate_ratio"] >= 1,
    ),
    Target(
        1,
        "CPU of workers, relay, producer and command line, ms a renewal",
        "109 (37)",
        "renewal_storm",
        "{certline_programs_ms:.0f} ({celery_programs_ms:.0f}), ratio {programs_ms_ratio:.2f}",
        "≤ 1.0 times Celery's",
        lambda found: found["programs_ms_ratio"] <= 1,
    ),
    Target(
        1,
        "CPU of Postgres and RabbitMQ, ms a renewal",
        "39 (4)",
        "renewal_storm",
        "{certline_servers_ms:.1f} ({celery_servers_ms:.1f}), ratio {servers_ms_ratio:.1f}",
        "≤ 3 times Celery's",
        lambda found: found["servers_ms_ratio"] <= 3,
    ),
    Target(
        2,
        "commits in Postgres, a renewal, all parts together",
        "42 (5)",
        "renewal_storm",
        "{certline_commits:.1f} ({celery_commits:.1f})",
        "≤ 12",
        lambda found: found["certline_commits"] <= 12,
    ),
    Target(
        2,
        "commits a second while nothing happens, all parts",
        "9",
        "renewal_storm",
        "{idle_commits_a_second:.2f}",
        "≤ 1",
        lambda found: found["idle_commits_a_second"] <= 1,
    ),
    Target(
        3,
        "from accepted to SCM's socket, p99 while idle, ms (bare Dramatiq actor)",
        "",
        "wake_to_call",
        "{certline_p99_ms:.1f} ({bare_p99_ms:.1f}), ratio {p99_ratio:.1f}; "
        "p50 {certline_p50_ms:.1f} ({bare_p50_ms:.1f})",
        "≤ 50 ms, ≤ 3 times the actor's",
        lambda found: found["certline_p99_ms"] <= 50 and found["p99_ratio"] <= 3,
    ),
    Target(
        4,
        "relay, events a second (raw pika, confirms in a window)",
        "",
        "relay",
        "{events_relay:,.0f} ({events_pika:,.0f}), ratio {events_ratio:.2f}",
        "≥ 0.8 times pika's",
        lambda found: found["events_ratio"] >= 0.8,
    ),
    Target(
        4,
        "relay, wake-ups a second (raw pika, confirms in a window)",
        "",
        "relay",
        "{wake_ups_relay:,.0f} ({wake_ups_pika:,.0f}), ratio {wake_ups_ratio:.2f}",
        "≥ 0.8 times pika's",
        lambda found: found["wake_ups_ratio"] >= 0.8,
    ),
    Target(
        5,
        "import of 10,000, ÷ the serial loop over `cert-manager`",
        "5.3 times (4,000)",
        "import_estate",
        "{ratio:.1f} times",
        "≥ 10 times",
        lambda found: found["ratio"] >= 10,
    ),
    Target(
        5,
        "its calls to SCM, ÷ those of the loop",
        "",
        "import_estate",
        "{calls_ratio:.2f}",
        "≤ 1",
        lambda found: found["calls_ratio"] <= 1,
    ),
    Target(
        6,
        "`certline --version`, CPU s",
        "1.0",
        "command_line",
        lambda found: f"{found['certline --version: CPU s']:.2f}",
        "≤ 0.2 s",
        lambda found: found["certline --version: CPU s"] <= 0.2,
    ),
    Target(
        6,
        "`certline order create --help`, CPU s",
        "1.0",
        "command_line",
        lambda found: f"{found['certline order create --help: CPU s']:.2f}",
        "≤ 0.2 s",
        lambda found: found["certline order create --help: CPU s"] <= 0.2,
    ),
    Target(
        6,
        "`certline order list`, CPU s, MB",
        "1.0, 100",
        "command_line",
        lambda found: cost_of(found, "certline order list"),
        "≤ 0.45 s, ≤ 60 MB",
        lambda found: is_light(found, "certline order list"),
    ),
    Target(
        6,
        "`certline certificate show`, CPU s, MB",
        "1.0, 100",
        "command_line",
        lambda found: cost_of(found, "certline certificate show"),
        "≤ 0.45 s, ≤ 60 MB",
        lambda found: is_light(found, "certline certificate show"),
    ),
    Target(
        6,
        "`certline license show`, CPU s, MB",
        "1.0, 100",
        "command_line",
        lambda found: cost_of(found, "certline license show"),
        "≤ 0.45 s, ≤ 60 MB",
        lambda found: is_light(found, "certline license show"),
    ),
    Target(
        7,
        "a million certificates: CPU s of a list or show, the highest",
        "",
        "million",
        lambda found: "{:.2f} ({})".format(*highest(found, ": CPU s", lists_only=True)),
        "≤ 0.5 s",
        lambda found: highest(found, ": CPU s", lists_only=True)[0] <= 0.5,
    ),
    Target(
        7,
        "a million certificates: `/metrics`, ms a scrape",
        "600",
        "million",
        lambda found: f"{1000 * found['/metrics: s a scrape']:.0f}",
        "≤ 30 ms",
        lambda found: found["/metrics: s a scrape"] <= 0.030,
    ),
    Target(
        7,
        "a million certificates: `auto-renew select --all`, s",
        "fails: time-out of 60 s",
        "million",
        lambda found: f"{found['auto-renew select --all: s']:.0f}",
    ),
    Target(
        7,
        "a sweep that finds 10,000 orders without a follow-up, s",
        "79, in one transaction",
        "million",
        lambda found: f"{found['sweep: s']:.1f}",
    ),
    Target(
        7,
        "a million certificates: the slowest statement, s",
        "60",
        "million",
        lambda found: "{:.2f} ({})".format(*highest(found, SLOWEST)),
        "≤ 5 s",
        lambda found: highest(found, SLOWEST)[0] <= 5,
    ),
    Target(
        7,
        "cost of a row, ÷ that among 10,000, the highest",
        "",
        "million",
        lambda found: "{:.2f} ({})".format(*highest(found, ROW_COST)),
        "≤ 1.5",
        lambda found: highest(found, ROW_COST)[0] <= 1.5,
    ),
    Target(
        8,
        "commits a second with an audit entry, fsync of 10 ms, 64 clients (without a chain)",
        "{commits_10ms_64_one_lane:,.0f}",
        "audit_chain",
        "{commits_10ms_64_lanes:,.0f} ({commits_10ms_64_none:,.0f})",
        "≥ 2,000: 500 orders",
        lambda found: found["commits_10ms_64_lanes"] >= 2_000,
    ),
    Target(
        8,
        "the same, fsync of 2 ms",
        "{commits_2ms_64_one_lane:,.0f}",
        "audit_chain",
        "{commits_2ms_64_lanes:,.0f} ({commits_2ms_64_none:,.0f})",
        "≥ 2,000: 500 orders",
        lambda found: found["commits_2ms_64_lanes"] >= 2_000,
    ),
    Target(
        9,
        "the board among 10,000 certificates: ms to the first byte of a page, the highest",
        "",
        "million",
        lambda found: "{:.0f} ({})".format(*highest(found, FIRST_BYTE_SMALL)),
        "≤ 100 ms",
        lambda found: highest(found, FIRST_BYTE_SMALL)[0] <= 100,
    ),
    Target(
        9,
        "the board among a million: ms of CPU of a page, the highest",
        "",
        "million",
        lambda found: "{:.0f} ({})".format(*highest(found, PAGE_CPU)),
        "≤ 300 ms",
        lambda found: highest(found, PAGE_CPU)[0] <= 300,
    ),
    Target(
        9,
        "the board among a million: ms to the first byte of a page, the highest",
        "",
        "million",
        lambda found: "{:.0f} ({})".format(*highest(found, FIRST_BYTE)),
        "≤ 300 ms",
        lambda found: highest(found, FIRST_BYTE)[0] <= 300,
    ),
    *(
        Target(
            10,
            f"orders a second of 4 worker processes, SCM at {latency:,} ms a call (of one)",
            "",
            "scale_out",
            f"{{rate_{latency}ms_4:.1f}} ({{rate_{latency}ms_1:.1f}}), ratio to 4 times one "
            f"{{linear_{latency}ms_4:.2f}}; {{cores_{latency}ms_4:.1f}} cores busy",
            "≥ 0.9" if bar else "",
            is_linear(latency) if bar else None,
        )
        for latency, bar in ((1_000, True), (200, True), (20, False))
    ),
    Target(
        10,
        "orders a second of 4 worker processes, where the account's rate is 2",
        "",
        "scale_out",
        "{rate_bound_4:.2f}",
        "≥ 1.8",
        lambda found: found["rate_bound_4"] >= 1.8,
    ),
]
