//! The rules of customers.

#[expect(dead_code, reason = "no command of a customer is refused")]
#[path = "support/harness.rs"]
mod harness;

use harness::{When, given};
use jiff::Timestamp;
use marquee_domain::customer::{
    Channel, Contact, Customer, CustomerErased, CustomerEvent, CustomerRejection, EraseCustomer,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn erased() -> CustomerEvent {
    CustomerErased { user_id: "u_1".into() }.into()
}

fn erase() -> EraseCustomer {
    EraseCustomer("u_1".into())
}

#[test]
fn a_customer_is_erased_once_whether_or_not_anything_was_known() {
    given::<Customer>([]).decides(NOW, erase(), [erased()]);
    given::<Customer>([erased()]).decides(NOW, erase(), []);
}

#[test]
fn nobody_keeps_how_to_reach_somebody_who_was_erased() {
    assert_eq!(given::<Customer>([]).may_be_kept(), Ok(()));
    assert_eq!(given::<Customer>([erased()]).may_be_kept(), Err(CustomerRejection::Erased));
}

#[test]
fn a_channel_leads_somewhere_only_where_it_is_wanted_and_has_an_address() {
    let mut contact = Contact { email: Some("asha@example.com".into()), ..Contact::default() };
    contact.channels.extend([Channel::Email, Channel::Sms]);
    assert_eq!(contact.address(Channel::Email).unwrap(), "asha@example.com");
    assert_eq!(contact.address(Channel::Sms), None, "no phone");
    contact.phone = Some("+919900112233".into());
    assert_eq!(contact.address(Channel::Sms).unwrap(), "+919900112233");
    assert_eq!(contact.address(Channel::Whatsapp), None, "not wanted");
    assert!(!format!("{contact:?}").contains("asha") && !format!("{contact:?}").contains("9900"));
}
