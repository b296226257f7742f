//! The protocol, as the `.proto` files beside `src` have it.

mod event_store {
    pub mod client {
        #![expect(clippy::all, clippy::pedantic, clippy::allow_attributes, reason = "generated")]
        tonic::include_proto!("event_store.client");

        pub mod streams {
            tonic::include_proto!("event_store.client.streams");
        }
        pub mod server_features {
            tonic::include_proto!("event_store.client.server_features");
        }
        pub mod gossip {
            tonic::include_proto!("event_store.client.gossip");
        }
    }
}

pub(crate) use event_store::client::*;
