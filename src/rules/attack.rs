//! Tactics of MITRE ATT&CK, which rules name in their tags.

macro_rules! tactics {
    ($($name:ident $id:literal $tag:literal $text:literal,)*) => {
        /// A tactic of MITRE ATT&CK for enterprises, in the order of the matrix.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the names are those of the matrix")]
        pub enum Tactic {
            $($name,)*
        }

        impl Tactic {
            /// All tactics.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns the number, `TA0001`.
            pub fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Returns how rules name it in their tags, after `mitre_`.
            fn tag(self) -> &'static str {
                match self { $(Self::$name => $tag,)* }
            }
        }
    };
}

tactics! {
    Reconnaissance "TA0043" "reconnaissance" "Reconnaissance",
    ResourceDevelopment "TA0042" "resource_development" "Resource Development",
    InitialAccess "TA0001" "initial_access" "Initial Access",
    Execution "TA0002" "execution" "Execution",
    Persistence "TA0003" "persistence" "Persistence",
    PrivilegeEscalation "TA0004" "privilege_escalation" "Privilege Escalation",
    DefenseEvasion "TA0005" "defense_evasion" "Defense Evasion",
    CredentialAccess "TA0006" "credential_access" "Credential Access",
    Discovery "TA0007" "discovery" "Discovery",
    LateralMovement "TA0008" "lateral_movement" "Lateral Movement",
    Collection "TA0009" "collection" "Collection",
    CommandAndControl "TA0011" "command_and_control" "Command and Control",
    Exfiltration "TA0010" "exfiltration" "Exfiltration",
    Impact "TA0040" "impact" "Impact",
}

impl Tactic {
    /// Returns the tactics that tags name, each once.
    pub fn of_tags(tags: &[String]) -> Vec<Self> {
        let is_named = |tactic: &&Self| {
            tags.iter().any(|tag| {
                let name = tag.strip_prefix("mitre_").or(tag.strip_prefix("MITRE_"));
                name.is_some_and(|name| name.eq_ignore_ascii_case(tactic.tag()))
                    || tag.eq_ignore_ascii_case(tactic.id())
            })
        };
        Self::ALL.iter().filter(is_named).copied().collect()
    }
}

/// Returns true for the tag of a technique: `T1059`, `T1059.004`.
pub fn is_technique(tag: &str) -> bool {
    let Some(digits) = tag.strip_prefix('T') else {
        return false;
    };
    let (number, sub) = digits.split_once('.').unwrap_or((digits, "000"));
    let is_number = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    is_number(number, 4) && is_number(sub, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_tactics_and_techniques() {
        let tags = [
            "host",
            "mitre_privilege_escalation",
            "TA0001",
            "T1055.008",
            "mitre_unknown",
        ];
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        assert_eq!(
            Tactic::of_tags(&tags),
            [Tactic::InitialAccess, Tactic::PrivilegeEscalation]
        );
        assert!(is_technique("T1059") && is_technique("T1059.004"));
        for other in ["T105", "T1059.4", "TA0001", "Tabcd", "x"] {
            assert!(!is_technique(other), "{other}");
        }
    }
}
