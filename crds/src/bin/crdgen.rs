//! Prints what is generated from the types.

fn main() {
    print!("{}", crds::definition_yaml());
}
