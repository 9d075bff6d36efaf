"""Run of all benchmarks of `make bench`; each prints its figures."""

from benchmarks import audit_chain, two_hundred_orders, two_thousand_renewals

if __name__ == "__main__":
    two_hundred_orders.main()
    two_thousand_renewals.main()
    audit_chain.main()
