"""The rules that stop an SMS before anything is written or paid, by its number alone. Pure."""

from dataclasses import dataclass

from segment_msg91.mapping import Origin, Sms
from segment_msg91.msg91.codes import SuppressedBecause
from segment_msg91.phone_numbers import region_of
from segment_msg91.settings import NumberRules


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An SMS that a rule stops. `reason` is for people, and quotes no number."""

    sms: Sms
    because: SuppressedBecause
    reason: str

    @property
    def crqid(self) -> str:
        return self.sms.crqid

    @property
    def origin(self) -> Origin:
        return self.sms.origin


def checked(sms: Sms, rules: NumberRules) -> Sms | Suppressed:
    """Return the SMS if every rule lets it pass."""
    if rules.only_to and sms.phone not in rules.only_to:
        return Suppressed(
            sms,
            SuppressedBecause.NOT_ON_TEST_LIST,
            "phone: not one of OnlyToNumbers, and this stack sends to no other number",
        )
    if rules.allowed_countries and (region := region_of(sms.phone)) not in rules.allowed_countries:
        country = f"its country is {region}" if region else "it is of no known country"
        return Suppressed(sms, SuppressedBecause.COUNTRY, f"phone: {country}, which AllowedCountries does not have")
    return sms
