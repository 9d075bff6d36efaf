"""Tests of the customer's organisations, domains, profiles and custom fields."""

from tests.unit.simulator.customer import HOSPITAL, RSA_ONLY, Customer, refused


def test_organizations_come_with_their_departments(scm: Customer) -> None:
    answer = scm.get("/organization/v1")

    assert answer.json()[0] == {
        "id": 9101,
        "name": "Nordhafen University",
        "departments": [
            {"id": 9102, "name": "IT Services", "parentName": "Nordhafen University"},
            {"id": 9103, "name": "Library", "parentName": "Nordhafen University"},
        ],
    }
    assert "X-Total-Count" not in answer.headers


def test_an_organization_without_departments_leaves_them_out(scm: Customer) -> None:
    assert "departments" not in scm.get("/organization/v1").json()[-1]


def test_an_organizations_details_say_what_it_may_order(scm: Customer) -> None:
    scm.set(api_disabled_organizations=[9101])

    details = scm.get("/organization/v1/9101").json()

    assert details["certTypes"] == ["SSL"]
    assert details["sslCertsApiEnabled"] is False


def test_an_unknown_organization_is_not_found(scm: Customer) -> None:
    assert refused(scm.get("/organization/v1/7"), -1023, status=404)


def test_twelve_domains_come_unless_more_are_asked_for(scm: Customer) -> None:
    first = scm.get("/domain/v1")
    every = scm.get("/domain/v1", size=200)

    assert len(first.json()) == 12
    assert int(first.headers["X-Total-Count"]) == len(every.json()) > 12


def test_pages_of_domains_together_are_all_domains(scm: Customer) -> None:
    every = scm.get("/domain/v1", size=200).json()

    pages = [scm.get("/domain/v1", size=7, position=at).json() for at in (0, 7, 14, 21)]

    assert [row for page in pages for row in page] == every
    assert pages[-1] == []


def test_more_than_two_hundred_rows_are_refused_or_cut(scm: Customer) -> None:
    assert refused(scm.get("/domain/v1", size=201), -1601)

    scm.set(cut_page_size=True, page_max=5)

    assert len(scm.get("/domain/v1", size=201).json()) == 5


def test_domains_can_be_filtered(scm: Customer) -> None:
    by_name = scm.get("/domain/v1", name="library").json()
    asleep = scm.get("/domain/v1", state="inactive").json()
    radiology = scm.get("/domain/v1", orgId=9202).json()

    assert [row["name"] for row in by_name] == ["library.example", "*.library.example"]
    assert [row["name"] for row in asleep] == ["asleep.example"]
    assert "hospital.example" in [row["name"] for row in radiology]
    assert scm.get("/domain/v1", status="requested").json() == []
    assert refused(scm.get("/domain/v1", state="dreaming"), -1601)


def test_a_domains_details_show_delegations_and_validation(scm: Customer) -> None:
    details = scm.get("/domain/v1/40211").json()

    assert details["validationStatus"] == "VALIDATED"
    assert details["dcvValidation"] < details["dcvExpiration"]
    assert details["delegations"][0] == {
        "orgId": 9101,
        "certTypes": ["SSL"],
        "domainCertificateRequestPrivileges": ["DOMAIN", "SUBDOMAIN"],
        "status": "ACTIVE",
    }


def test_a_domain_that_was_never_validated_has_no_dates(scm: Customer) -> None:
    details = scm.get("/domain/v1/40281").json()

    assert details["validationStatus"] == "NOT_VALIDATED"
    assert "dcvExpiration" not in details


def test_an_unknown_domain_is_not_found(scm: Customer) -> None:
    assert refused(scm.get("/domain/v1/1"), -727, status=404)


def test_profiles_are_those_that_an_organization_is_offered(scm: Customer) -> None:
    every = scm.get("/ssl/v1/types").json()
    for_hospital = scm.get("/ssl/v1/types", organizationId=HOSPITAL).json()
    for_university = scm.get("/ssl/v1/types", organizationId=9101).json()

    assert every[0] == {
        "id": 21790,
        "name": "OV Multi-Domain SSL",
        "description": "Public OV certificate, several names",
        "terms": [90, 199],
        "keyTypes": {"RSA": ["2048", "3072", "4096"], "EC": ["P-256", "P-384"]},
        "useSecondaryOrgName": False,
    }
    assert for_hospital == every
    assert RSA_ONLY not in [profile["id"] for profile in for_university]


def test_a_custom_field_can_be_made_mandatory(scm: Customer) -> None:
    scm.set(mandatory_custom_fields=["CostCentre"])

    assert scm.get("/ssl/v1/customFields").json() == [
        {"id": 611, "name": "CostCentre", "mandatory": True},
        {"id": 612, "name": "PipelineRef", "mandatory": False},
    ]


def test_version_two_mirrors_the_certificates(scm: Customer) -> None:
    ssl_id = scm.enroll()

    assert scm.get(f"/ssl/v2/{ssl_id}").json() == scm.details(ssl_id)
