//! What nobody who writes our objects can take: which SPIFFE IDs, parents and DNS names a cluster may be given, which roles
//! may be assumed, and which identities may be admin, downstream or federate. Made from the configuration alone; a registry
//! only narrows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::api::{Problem, WorkloadIdentitySpec};
use crate::entry::Entry;
use crate::facts::Labels;
use crate::names::{AccountId, IdentityName, RoleArn};
use crate::plugin;
use crate::spiffe::{DnsName, SpiffeId, TrustDomain};

/// A condition's reason for all of it.
const DENIED: &str = "GuardrailDenied";

/// Segments between separators: a text stands for itself, `*` for any one segment and `**` for all the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    separator: char,
    segments: Vec<Segment>,
    has_rest: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exact(String),
    Any,
}

impl Pattern {
    /// A pattern of SPIFFE ID paths such as `/ns/*/sa/**`; `**` can only be last.
    pub fn of_paths(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("it does not begin with /")?;
        Self::new(text, '/', rest.split('/').collect())
    }

    /// A pattern of DNS names such as `*.shop.svc` or `**.svc.cluster.local`; `**` can only be first.
    pub fn of_dns_names(text: &str) -> Result<Self, String> {
        Self::new(text, '.', text.rsplit('.').collect())
    }

    /// A pattern of identities' names such as `team-a.*`; `**` can only be last.
    pub fn of_names(text: &str) -> Result<Self, String> {
        Self::new(text, '.', text.split('.').collect())
    }

    /// A pattern of places that plugins come from, such as `oci://registry.example/plugins/**`; `**` can only be last.
    pub fn of_sources(text: &str) -> Result<Self, String> {
        const SCHEMES: [&str; 4] = ["oci", "https", "file", "configmap"];
        let known = text.split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme));
        let (scheme, rest) = known.ok_or("it begins with none of oci://, https://, file://, configmap://")?;
        let rest = if scheme == "file" {
            rest.strip_prefix('/').ok_or("the path does not begin with /")?
        } else {
            rest
        };
        Self::new(text, '/', [scheme].into_iter().chain(rest.split('/')).collect())
    }

    /// A pattern of IAM roles' ARNs such as `arn:aws:iam::*:role/registrar`, by partition, account and the parts of the
    /// role's path; `**` can only be last.
    pub fn of_role_arns(text: &str) -> Result<Self, String> {
        const FORM: &str = "it is not of the form arn:<partition>:iam::<account>:role/<path and name>";
        Self::new(text, '/', role_parts(text).ok_or(FORM)?.collect())
    }

    fn new(text: &str, separator: char, mut parts: Vec<&str>) -> Result<Self, String> {
        let has_rest = parts.last() == Some(&"**");
        if has_rest {
            parts.pop();
        }
        let segment = |part: &&str| match *part {
            "" => Err("a segment is empty".to_owned()),
            "*" => Ok(Segment::Any),
            part if part.contains('*') => {
                Err(format!("{part:?}: * stands for a whole segment, ** for all the rest"))
            }
            part => Ok(Segment::Exact(part.to_owned())),
        };
        let segments = parts.iter().map(segment).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), separator, segments, has_rest })
    }

    fn fits<'a>(&self, mut parts: impl Iterator<Item = &'a str>) -> bool {
        for segment in &self.segments {
            let fits = match (segment, parts.next()) {
                (_, None) => false,
                (Segment::Any, Some(_)) => true,
                (Segment::Exact(text), Some(part)) => text == part,
            };
            if !fits {
                return false;
            }
        }
        // The rest is something: `/ns/**` does not name `/ns`.
        parts.next().is_some() == self.has_rest
    }

    fn fits_path(&self, path: &str) -> bool {
        path.strip_prefix('/').is_some_and(|path| self.fits(path.split(self.separator)))
    }

    /// Whether a plugin may come from this place, where the pattern is one of [`Self::of_sources`].
    pub fn fits_source(&self, source: &str) -> bool {
        source.split_once("://").is_some_and(|(scheme, rest)| {
            let rest = if scheme == "file" { rest.strip_prefix('/').unwrap_or(rest) } else { rest };
            self.fits([scheme].into_iter().chain(rest.split(self.separator)))
        })
    }

    fn fits_dns_name(&self, name: &str) -> bool {
        self.fits(name.rsplit(self.separator))
    }

    fn fits_name(&self, name: &str) -> bool {
        self.fits(name.split(self.separator))
    }

    fn fits_role(&self, role: &RoleArn) -> bool {
        role_parts(role.as_str()).is_some_and(|parts| self.fits(parts))
    }
}

/// Partition, account, and the parts of path and name.
fn role_parts(arn: &str) -> Option<impl Iterator<Item = &str>> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(":iam::")?;
    let (account, path) = rest.split_once(":role/")?;
    Some([partition, account].into_iter().chain(path.split('/')))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The configuration's `guardrails`. A key that is absent restricts nothing; an empty list allows nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guardrails {
    /// `rules`: what clusters may be given; a cluster may have what one rule that applies to it allows.
    pub rules: Option<Vec<Rule>>,
    /// `admin`: identities that may be `admin: true`.
    pub admin: Option<Vec<Pattern>>,
    /// `downstream`: identities that may be `downstream: true`.
    pub downstream: Option<Vec<Pattern>>,
    /// `federatesWith`: which identities may federate with whom.
    pub federates_with: Option<Vec<FederationRule>>,
    /// `roleARNs`: patterns of the roles that may be assumed.
    pub role_arns: Option<Vec<Pattern>>,
    /// The configuration's `plugins.allowedSources` and `plugins.limits`.
    pub plugins: plugin::Rules,
}

/// One of `guardrails.rules`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// `accounts`: it applies to clusters of these; none: to those of any.
    pub accounts: BTreeSet<AccountId>,
    /// `clusterLabels`: it applies to clusters whose registry has all of these.
    pub cluster_labels: BTreeMap<String, String>,
    /// `spiffeIDs`: patterns of paths.
    pub spiffe_ids: Option<Vec<Pattern>>,
    /// `parentIDs`: patterns of paths. The default parent of the cluster's own nodes is always allowed.
    pub parent_ids: Option<Vec<Pattern>>,
    /// `dnsNames`.
    pub dns_names: Option<Vec<Pattern>>,
}

/// One of `guardrails.federatesWith`.
#[derive(Debug, Clone, PartialEq)]
pub struct FederationRule {
    /// `identities`: patterns of names.
    pub identities: Vec<Pattern>,
    /// `trustDomains`.
    pub trust_domains: BTreeSet<TrustDomain>,
}

/// What one cluster may be given: the rules that apply to it, and its registry's own narrower list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Allowed {
    rules: Option<Vec<Rule>>,
    own: Option<Vec<Pattern>>,
}

/// Where the parts of an entry come from, by which what is refused of it is told.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// What gave the SPIFFE ID.
    pub spiffe_id: &'static str,
    /// What gave the parent; none where it is the agent of the pod's own node.
    pub parent_id: Option<&'static str>,
    /// What gave the first DNS names.
    pub dns_names: &'static str,
    /// How many these are; the rest are names of Services.
    pub own_dns_names: usize,
}

impl Guardrails {
    /// The rules that apply to a cluster of this account and these labels, narrowed by its registry's own list.
    pub fn for_cluster(&self, account: &AccountId, labels: &Labels, own: Option<Vec<Pattern>>) -> Allowed {
        let applies = |rule: &&Rule| {
            let account_fits = rule.accounts.is_empty() || rule.accounts.contains(account);
            account_fits && rule.cluster_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let rules = self.rules.as_ref().map(|rules| rules.iter().filter(applies).cloned().collect());
        Allowed { rules, own }
    }

    /// Whether the role that `field` names may be assumed.
    pub fn check_role(&self, field: &str, role: &RoleArn) -> Result<(), Problem> {
        match &self.role_arns {
            Some(allowed) if !allowed.iter().any(|pattern| pattern.fits_role(role)) => {
                Err(denied(field, role, "the configuration's guardrails.roleARNs", allowed))
            }
            _ => Ok(()),
        }
    }

    /// What of a spec this identity may not ask for; `own` is the SPIRE server's trust domain.
    pub fn problems_of(
        &self,
        name: &IdentityName,
        spec: &WorkloadIdentitySpec,
        own: &TrustDomain,
    ) -> Vec<Problem> {
        let names = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits_name(name.as_str()));
        let mut problems = Vec::new();
        let flags = [
            ("spec.admin", spec.admin, &self.admin, "guardrails.admin"),
            ("spec.downstream", spec.downstream, &self.downstream, "guardrails.downstream"),
        ];
        for (field, is_set, allowed, key) in flags {
            if is_set && allowed.as_ref().is_some_and(|patterns| !names(patterns)) {
                let message = format!("true is not allowed: the configuration's {key} does not name {name}");
                problems.push(Problem::new(DENIED, field, message));
            }
        }
        let Some(rules) = &self.federates_with else { return problems };
        // Our own is left out of every entry anyway.
        let asked = spec.federates_with.iter().enumerate().filter(|(_, domain)| *domain != own.as_str());
        for (index, domain) in asked {
            let may = |rule: &FederationRule| {
                names(&rule.identities) && rule.trust_domains.iter().any(|allowed| allowed.as_str() == domain)
            };
            if !rules.iter().any(may) {
                let message = format!(
                    "{domain:?} is not allowed: no rule of the configuration's guardrails.federatesWith lets {name} federate with it"
                );
                problems.push(Problem::new(DENIED, format!("spec.federatesWith[{index}]"), message));
            }
        }
        problems
    }
}

impl Allowed {
    /// Whether the cluster may be given the entry.
    pub fn check(&self, entry: &Entry, origin: Origin) -> Result<(), Problem> {
        let id = &entry.key.spiffe_id;
        if let Some(own) = &self.own
            && !own.iter().any(|pattern| pattern.fits_path(id.path()))
        {
            return Err(denied(origin.spiffe_id, id, "the registry's allowedSPIFFEIDs", own));
        }
        let Some(rules) = &self.rules else { return Ok(()) };
        // One rule has to allow all of the entry: two narrow rules do not add up to a wide one.
        let mut first = None;
        for rule in rules {
            match rule.check(entry, origin) {
                Ok(()) => return Ok(()),
                Err(problem) => first = first.or(Some(problem)),
            }
        }
        Err(first.unwrap_or_else(|| {
            let message = "no rule of the configuration's guardrails.rules applies to this cluster";
            Problem::new(DENIED, origin.spiffe_id, message)
        }))
    }
}

impl Rule {
    fn check(&self, entry: &Entry, origin: Origin) -> Result<(), Problem> {
        let fits_path = |patterns: &Option<Vec<Pattern>>, id: &SpiffeId| {
            patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|it| it.fits_path(id.path())))
        };
        let key = &entry.key;
        if !fits_path(&self.spiffe_ids, &key.spiffe_id) {
            let allowed = self.spiffe_ids.as_deref().unwrap_or_default();
            return Err(denied(origin.spiffe_id, &key.spiffe_id, "guardrails.rules", allowed));
        }
        if let Some(field) = origin.parent_id
            && !fits_path(&self.parent_ids, &key.parent_id)
        {
            let allowed = self.parent_ids.as_deref().unwrap_or_default();
            return Err(denied(field, &key.parent_id, "guardrails.rules", allowed));
        }
        let Some(patterns) = &self.dns_names else { return Ok(()) };
        let is_refused = |name: &DnsName| !patterns.iter().any(|it| it.fits_dns_name(name.as_str()));
        match entry.dns_names.iter().enumerate().find(|(_, name)| is_refused(name)) {
            None => Ok(()),
            Some((index, name)) => {
                let is_own = index < origin.own_dns_names;
                let field = if is_own { origin.dns_names } else { "spec.autoPopulateDNSNames" };
                Err(denied(field, name.as_str(), "guardrails.rules", patterns))
            }
        }
    }
}

fn denied(field: &str, value: impl fmt::Display, by: &str, allowed: &[Pattern]) -> Problem {
    let allowed: Vec<&str> = allowed.iter().map(|pattern| pattern.text.as_str()).collect();
    let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    Problem::new(DENIED, field, format!("{value} is not allowed by {by}, which allows {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryKey;
    use crate::spiffe::Selector;

    fn entry(path: &str, parent: &str, dns_names: &[&str]) -> Entry {
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org{path}")).unwrap();
        let selectors = [Selector::parse("a:b").unwrap()].into();
        Entry {
            dns_names: dns_names.iter().map(|name| DnsName::parse(name).unwrap()).collect(),
            ..Entry::of_key(EntryKey { spiffe_id: id(path), parent_id: id(parent), selectors })
        }
    }

    /// Of templates, the parent's among them; so many names are the templates' own.
    fn templates(own_dns_names: usize) -> Origin {
        Origin {
            spiffe_id: "spec.spiffeIDTemplate",
            parent_id: Some("spec.parentIDTemplate"),
            dns_names: "spec.dnsNameTemplates",
            own_dns_names,
        }
    }

    fn default_parent() -> Origin {
        Origin { parent_id: None, ..templates(9) }
    }

    fn paths(texts: &[&str]) -> Option<Vec<Pattern>> {
        Some(texts.iter().map(|text| Pattern::of_paths(text).unwrap()).collect())
    }

    #[test]
    fn patterns_fit_segment_by_segment() {
        for (pattern, fits, not) in [
            ("/ns/*/sa/*", &["/ns/a/sa/b"][..], &["/ns/a/sa", "/ns/a/sa/b/c", "/ns/a/b/sa/c"][..]),
            ("/ns/shop/**", &["/ns/shop/a", "/ns/shop/a/b"], &["/ns/shop", "/ns/shops/a"]),
            ("/**", &["/a", "/a/b"], &[]),
            ("/a", &["/a"], &["/a/b", "/b"]),
        ] {
            let pattern = Pattern::of_paths(pattern).unwrap();
            assert!(fits.iter().all(|path| pattern.fits_path(path)), "{pattern}");
            assert!(not.iter().all(|path| !pattern.fits_path(path)), "{pattern}");
        }
        let inner = Pattern::of_dns_names("**.svc.cluster.local").unwrap();
        assert!(inner.fits_dns_name("a.b.svc.cluster.local"));
        assert!(
            !inner.fits_dns_name("svc.cluster.local") && !inner.fits_dns_name("a.svc.cluster.local.evil")
        );
        assert!(Pattern::of_dns_names("*.shop").unwrap().fits_dns_name("web.shop"));
        for bad in ["ns/a", "/a//b", "/a/b*", "/**/a", "/"] {
            assert!(Pattern::of_paths(bad).is_err(), "{bad}");
        }
        assert!(Pattern::of_dns_names("a.**").is_err());
    }

    #[test]
    fn roles_are_allowed_by_partition_account_and_path() {
        let allows = |pattern: &str, role: &str| {
            let role_arns = Some(vec![Pattern::of_role_arns(pattern).unwrap()]);
            let guardrails = Guardrails { role_arns, ..Guardrails::default() };
            guardrails.check_role("spec.assumeRoleArn", &RoleArn::new(role).unwrap())
        };
        let any = "arn:aws:iam::*:role/registrar";
        assert!(allows(any, "arn:aws:iam::111122223333:role/registrar").is_ok());
        for other in ["arn:aws:iam::111122223333:role/admin", "arn:aws-cn:iam::111122223333:role/registrar"] {
            let expected = format!(
                "spec.assumeRoleArn: {other} is not allowed by the configuration's guardrails.roleARNs, which allows {any}"
            );
            assert_eq!(allows(any, other).unwrap_err().to_string(), expected);
        }
        // A path is no part of the name.
        assert!(allows(any, "arn:aws:iam::111122223333:role/team/registrar").is_err());
        let team = "arn:*:iam::111122223333:role/team/**";
        assert!(allows(team, "arn:aws-us-gov:iam::111122223333:role/team/a/b").is_ok());
        assert!(allows(team, "arn:aws:iam::444455556666:role/team/a").is_err());
        for bad in ["registrar", "arn:aws:iam::*:user/x", "arn:aws:iam::*:role/", "arn:aws:iam::*:role/a*"] {
            assert!(Pattern::of_role_arns(bad).is_err(), "{bad}");
        }
        let nothing = Guardrails { role_arns: Some(Vec::new()), ..Guardrails::default() };
        let role = RoleArn::new("arn:aws:iam::111122223333:role/registrar").unwrap();
        assert!(nothing.check_role("f", &role).unwrap_err().to_string().ends_with("which allows nothing"));
        assert!(Guardrails::default().check_role("f", &role).is_ok());
    }

    #[test]
    fn a_cluster_has_what_one_rule_that_applies_allows_and_a_registry_only_narrows() {
        let account = |id: &str| AccountId::new(id).unwrap();
        let in_prod = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let prod: Labels = in_prod.iter().collect();
        let guardrails = Guardrails {
            rules: Some(vec![
                Rule { cluster_labels: in_prod, spiffe_ids: paths(&["/prod/**"]), ..Rule::default() },
                Rule {
                    accounts: [account("111111111111")].into(),
                    spiffe_ids: paths(&["/dev/*"]),
                    dns_names: Some(vec![Pattern::of_dns_names("*.dev").unwrap()]),
                    parent_ids: Some(Vec::new()),
                    ..Rule::default()
                },
            ]),
            ..Guardrails::default()
        };
        let none = Labels::default();
        let first = guardrails.for_cluster(&account("111111111111"), &none, None);
        assert!(first.check(&entry("/dev/a", "/p", &["a.dev"]), default_parent()).is_ok());
        let told = |entry: &Entry, origin| first.check(entry, origin).unwrap_err().to_string();
        assert!(
            told(&entry("/prod/a", "/p", &[]), default_parent())
                .contains("/prod/a is not allowed by guardrails.rules, which allows /dev/*")
        );
        assert!(told(&entry("/dev/a", "/p", &[]), templates(9)).starts_with("spec.parentIDTemplate"));
        assert!(
            told(&entry("/dev/a", "/p", &["a.prod"]), default_parent()).starts_with("spec.dnsNameTemplates")
        );
        // Two names of templates, then one of a Service.
        let names = entry("/dev/a", "/p", &["a.dev", "b.dev", "a.prod"]);
        let by_a_service = Origin { own_dns_names: 2, ..default_parent() };
        assert!(told(&names, by_a_service).starts_with("spec.autoPopulateDNSNames: a.prod is not allowed"));
        assert!(told(&names, default_parent()).starts_with("spec.dnsNameTemplates: a.prod is not allowed"));
        // Whoever writes the label gets what the label's rule gives, and nothing of another account's rule.
        let second = guardrails.for_cluster(&account("222222222222"), &prod, None);
        assert!(second.check(&entry("/prod/a/b", "/p", &["any"]), templates(9)).is_ok());
        assert!(second.check(&entry("/dev/a", "/p", &[]), default_parent()).is_err());
        let nobody = guardrails.for_cluster(&account("222222222222"), &none, None);
        assert!(
            nobody
                .check(&entry("/dev/a", "/p", &[]), default_parent())
                .unwrap_err()
                .message
                .contains("no rule")
        );
        let narrow = guardrails.for_cluster(&account("222222222222"), &prod, paths(&["/prod/a", "/dev/*"]));
        assert!(narrow.check(&entry("/prod/a", "/p", &[]), default_parent()).is_ok());
        assert!(narrow.check(&entry("/prod/b", "/p", &[]), default_parent()).is_err());
        assert!(
            narrow.check(&entry("/dev/a", "/p", &[]), default_parent()).is_err(),
            "a registry cannot widen"
        );
    }

    #[test]
    fn flags_and_federation_are_for_identities_that_the_configuration_names() {
        let name = |name: &str| IdentityName::new(name).unwrap();
        let patterns = |text: &str| vec![Pattern::of_names(text).unwrap()];
        let guardrails = Guardrails {
            admin: Some(patterns("ops")),
            downstream: Some(Vec::new()),
            federates_with: Some(vec![FederationRule {
                identities: patterns("team-a.*"),
                trust_domains: [TrustDomain::new("partner.example").unwrap()].into(),
            }]),
            ..Guardrails::default()
        };
        let spec = WorkloadIdentitySpec {
            admin: true,
            downstream: true,
            federates_with: ["partner.example", "other.example", "example.org"].map(str::to_owned).to_vec(),
            ..WorkloadIdentitySpec::default()
        };
        let own = TrustDomain::new("example.org").unwrap();
        let fields = |name: &IdentityName| -> Vec<String> {
            guardrails.problems_of(name, &spec, &own).into_iter().map(|problem| problem.field).collect()
        };
        assert_eq!(
            fields(&name("ops")),
            ["spec.downstream", "spec.federatesWith[0]", "spec.federatesWith[1]"]
        );
        assert_eq!(fields(&name("team-a.web")), ["spec.admin", "spec.downstream", "spec.federatesWith[1]"]);
        assert!(Guardrails::default().problems_of(&name("any"), &spec, &own).is_empty());
    }
}
