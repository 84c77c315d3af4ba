//! The dependency policy of `.deny.toml`, enforced from cargo's own description of the workspace.
use millstream_tests::tree;
use pretty_assertions::assert_eq;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// All that the core may link. Each crate was looked at before it came here: no_std, well kept.
const CORE_MAY_LINK: &[&str] = &[
    "block-buffer",
    "byteorder",
    "bytes",
    "cfg-if",
    "cmov",
    "cpufeatures",
    "crypto-common",
    "ctutils",
    "digest",
    "hash32",
    "heapless",
    "hmac",
    "httparse",
    "hybrid-array",
    "itoa",
    "libc",
    "memchr",
    "serde",
    "serde_core",
    "serde_json",
    "sha2",
    "smallvec",
    "stable_deref_trait",
    "typenum",
    "zmij",
    // Run while compiling; nothing of them is in the program.
    "proc-macro2",
    "quote",
    "serde_derive",
    "syn",
    "unicode-ident",
];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_crate_has_a_licence_that_we_accept() {
    let allowed = quoted(&section("licenses"), "allow = [");
    assert!(allowed.contains("MIT"), "the list of licences was not read: {allowed:?}");
    let wrong: Vec<String> = workspace()
        .values()
        .filter(|package| !is_accepted(&package.licence, &allowed))
        .map(|package| format!("{}: {}", package.name, package.licence))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_banned_crate_is_in_the_tree() {
    let banned: BTreeSet<String> = section("bans")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \"")?.split('"').next())
        .map(str::to_owned)
        .collect();
    assert!(banned.contains("openssl-sys"), "the list of bans was not read: {banned:?}");
    let found: Vec<String> = names(&workspace()).intersection(&banned).cloned().collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_crate_is_ours_or_comes_from_the_registry() {
    for package in workspace().values() {
        match &package.source {
            None => assert!(package.is_member, "{} is no member of the workspace", package.name),
            Some(source) => assert_eq!(source, CRATES_IO, "{}", package.name),
        }
    }
}

#[test]
fn the_core_links_only_what_was_looked_at() {
    let linked = reach(&workspace(), "millstream-core");
    let allowed = CORE_MAY_LINK.iter().map(|name| (*name).to_owned()).collect();
    let others: Vec<&String> = linked.difference(&allowed).collect();
    assert!(others.is_empty(), "not looked at yet: {others:?}");
    assert!(linked.contains("bytes"), "the tree was not read: {linked:?}");
}

/// The programs that people run replay captures too.
const TRANSPORTS_MAY_LINK: &[&str] = &[
    "millstream-core",
    "millstream-conf",
    "millstream-console",
    "millstream-host",
    "millstream-sim",
];

#[test]
fn dependencies_point_inward() {
    let workspace = workspace();
    let ours = |name: &str| {
        let linked = reach(&workspace, name);
        linked.into_iter().filter(|name| name.starts_with("millstream-")).collect::<Vec<_>>()
    };
    assert_eq!(ours("millstream-core"), [""; 0]);
    let inner: [(&str, &[&str]); 5] = [
        ("millstream-conf", &["millstream-core"]),
        (
            "millstream-host",
            &["millstream-core", "millstream-conf", "millstream-console", "millstream-sim"],
        ),
        ("millstream-sim", &["millstream-core", "millstream-conf"]),
        ("millstream-async-std", TRANSPORTS_MAY_LINK),
        ("millstream-tokio", TRANSPORTS_MAY_LINK),
    ];
    for (name, inner) in inner {
        let found = ours(name);
        assert!(found.iter().all(|name| inner.contains(&name.as_str())), "{name}: {found:?}");
    }
}

#[test]
fn each_runtime_stays_in_its_own_package() {
    let workspace = workspace();
    let members = workspace.values().filter(|package| package.is_member);
    let check = |runtime: &str, owner: &str| {
        let uses = |package: &&Package| package.dependencies.iter().any(|name| name == runtime);
        let users = members.clone().filter(uses).map(|package| &*package.name);
        assert_eq!(users.collect::<Vec<_>>(), [owner]);
    };
    check("async-std", "millstream-async-std");
    check("tokio", "millstream-tokio");
    let links = |package: &&Package| reach(&workspace, &package.name).contains("async-std");
    let linked = members.clone().filter(links).map(|package| &*package.name);
    assert_eq!(linked.collect::<Vec<_>>(), ["millstream-async-std"]);
    assert_eq!(quoted(&section("advisories"), "ignore = [").len(), 2, "one id and its reason");
}

#[test]
fn licence_expressions_are_read_as_written() {
    let allowed: BTreeSet<String> = ["MIT", "Zlib"].map(str::to_owned).into();
    for (expression, accepted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("MIT AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND GPL-2.0", false),
        ("GPL-3.0 OR MIT AND Zlib", true),
        ("GPL-3.0 OR GPL-2.0 AND MIT", false),
        ("MIT WITH Some-exception", false),
        ("", false),
    ] {
        assert_eq!(is_accepted(expression, &allowed), accepted, "{expression}");
    }
}

struct Package {
    name: String,
    licence: String,
    source: Option<String>,
    is_member: bool,
    /// Identities of what it links, build and test dependencies left out.
    links: Vec<String>,
    /// Names of all that its manifest asks for.
    dependencies: Vec<String>,
}

/// Every package of the lock file by its identity.
fn workspace() -> BTreeMap<String, Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(tree::root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let members: BTreeSet<String> = list(&metadata["workspace_members"]).map(string).collect();
    let mut links: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .map(|node| {
            (
                string(&node["id"]),
                list(&node["deps"])
                    .filter(|dep| is_linked(dep))
                    .map(|dep| string(&dep["pkg"]))
                    .collect(),
            )
        })
        .collect();
    let packages = list(&metadata["packages"]).map(|package| {
        let id = string(&package["id"]);
        let package = Package {
            name: string(&package["name"]),
            licence: package["license"].as_str().unwrap_or_default().to_owned(),
            source: package["source"].as_str().map(str::to_owned),
            is_member: members.contains(&id),
            links: links.remove(&id).unwrap_or_default(),
            dependencies: list(&package["dependencies"]).map(|dep| string(&dep["name"])).collect(),
        };
        (id, package)
    });
    packages.collect()
}

fn is_linked(dependency: &Value) -> bool {
    list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("a list in cargo's description").iter()
}

fn string(value: &Value) -> String {
    value.as_str().expect("a text in cargo's description").to_owned()
}

fn names(packages: &BTreeMap<String, Package>) -> BTreeSet<String> {
    packages.values().map(|package| package.name.clone()).collect()
}

/// The names of all that `name` links, near and far.
fn reach(packages: &BTreeMap<String, Package>, name: &str) -> BTreeSet<String> {
    let first = packages.iter().find(|(_, package)| package.is_member && package.name == name);
    let (id, _) = first.expect("the workspace has this member");
    let mut found = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        for link in &packages[id].links {
            if found.insert(packages[link].name.clone()) {
                open.push(link);
            }
        }
    }
    found
}

/// The lines of one section of `.deny.toml`.
fn section(name: &str) -> String {
    let policy = tree::text(Path::new(".deny.toml")).expect("the policy is text");
    let (_, rest) = policy.split_once(&format!("[{name}]\n")).expect("the policy has the section");
    rest.lines()
        .take_while(|line| !line.starts_with('['))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// The quoted words of the list that begins with `start`.
fn quoted(section: &str, start: &str) -> BTreeSet<String> {
    let (_, rest) = section.split_once(start).expect("the section has the list");
    let list = rest.lines().take_while(|line| *line != "]").collect::<Vec<_>>().join("\n");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence expression (SPDX, or the older `A/B`) can be met by the allowed licences.
fn is_accepted(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let accepted = any_of(&mut words, allowed);
    accepted && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut accepted = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        accepted |= all_of(words, allowed);
    }
    accepted
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut accepted = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        accepted &= one(words, allowed);
    }
    accepted
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let accepted = any_of(words, allowed);
        return words.next() == Some(")") && accepted;
    }
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed.contains(&format!("{word} WITH {exception}")),
        None => allowed.contains(word),
    }
}
