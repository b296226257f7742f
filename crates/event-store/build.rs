//! Compiles the protocol of KurrentDB, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["shared.proto", "streams.proto", "server_features.proto", "gossip.proto"];
    let compiled = protox::compile(files, ["proto"])?;
    tonic_build::configure().build_client(false).bytes(["."]).compile_fds(compiled)?;
    println!("cargo:rerun-if-changed=proto");
    Ok(())
}
