//! People and their tokens.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};

/// The issuer that servers under test trust.
pub const ISSUER: &str = "http://localhost:18000/oauth2";

/// The audience of servers under test.
pub const AUDIENCE: &str = "license-manager";

/// The issuer's secret.
pub const SECRET: &str = "perf-secret-perf-secret-perf-secret-0123456789";

/// A caller, and how their tokens differ from the usual.
#[derive(Clone, Debug)]
pub struct Person {
    user_id: i64,
    email: String,
    username: String,
    roles: Vec<String>,
    claims: Map<String, Value>,
    expires_in: i64,
    secret: String,
}

impl Person {
    /// A person with an account and no role, whose tokens are valid for an hour.
    pub fn new(user_id: i64, email: impl Into<String>, username: impl Into<String>) -> Self {
        Self {
            user_id,
            email: email.into(),
            username: username.into(),
            roles: Vec::new(),
            claims: Map::new(),
            expires_in: 3600,
            secret: SECRET.to_owned(),
        }
    }

    /// The person in a conformance case; its README lists the keys.
    ///
    /// # Errors
    /// A sentence naming the key that is missing or of the wrong type.
    pub fn from_case(description: &Value) -> Result<Self, String> {
        let text = |key: &str| description[key].as_str().ok_or(format!("\"as\" needs the text {key:?}"));
        let user_id = description["user_id"].as_i64().ok_or("\"as\" needs the number \"user_id\"")?;
        let mut person = Self::new(user_id, text("email")?, text("username")?);
        for role in description["roles"].as_array().into_iter().flatten() {
            person = person.role(role.as_str().ok_or("a role is a text")?);
        }
        for (name, value) in description["claims"].as_object().into_iter().flatten() {
            person = if name == "expires_in" {
                person.expiring_in(value.as_i64().ok_or("\"expires_in\" is a number")?)
            } else {
                person.claim(name, value.clone())
            };
        }
        if description.get("secret").is_some() {
            person = person.signed_with(text("secret")?);
        }
        Ok(person)
    }

    /// Adds a role, as `name:context`.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Sets a claim; null removes it.
    pub fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// Makes tokens expire after this many seconds; negative for expired tokens.
    pub fn expiring_in(mut self, seconds: i64) -> Self {
        self.expires_in = seconds;
        self
    }

    /// Signs tokens with another secret.
    pub fn signed_with(mut self, secret: impl Into<String>) -> Self {
        self.secret = secret.into();
        self
    }

    /// Their email address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Their LMS user id.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }

    /// Their user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// A new access token.
    pub fn token(&self) -> String {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + self.expires_in,
            "sub": "subject",
            "version": "1.2.0",
            "user_id": self.user_id,
            "email": self.email,
            "preferred_username": self.username,
            "scopes": ["user_id", "email", "profile"],
            "filters": ["user:me"],
            "is_restricted": false,
            "administrator": false,
            "superuser": false,
            "roles": self.roles,
        });
        for (name, value) in &self.claims {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().map(|claims| claims.remove(name));
            }
        }
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        jsonwebtoken::encode(&Header::default(), &claims, &key).expect("claims are signed")
    }

    /// A new access token as the value of an `Authorization` header.
    pub fn authorization(&self) -> String {
        format!("JWT {}", self.token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};

    fn claims(person: &Person, secret: &str) -> jsonwebtoken::errors::Result<Value> {
        let mut validation = Validation::default();
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        let key = DecodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::decode::<Value>(person.token(), &key, &validation).map(|data| data.claims)
    }

    #[test]
    fn a_token_holds_what_is_known_of_the_person() {
        let person = Person::new(7, "amy@example.com", "amy").role("enterprise_learner:*");
        let claims = claims(&person, SECRET).unwrap();
        assert_eq!(claims["user_id"], 7);
        assert_eq!(claims["email"], "amy@example.com");
        assert_eq!(claims["preferred_username"], "amy");
        assert_eq!(claims["roles"], json!(["enterprise_learner:*"]));
    }

    #[test]
    fn a_case_changes_drops_and_forges_claims() {
        let described = json!({
            "user_id": 7, "email": "amy@example.com", "username": "amy",
            "claims": {"is_restricted": true, "filters": null},
        });
        let claims_of = |described: &Value| claims(&Person::from_case(described).unwrap(), SECRET);
        let altered = claims_of(&described).unwrap();
        assert_eq!(altered["is_restricted"], true);
        assert!(altered.get("filters").is_none());

        let mut expired = described.clone();
        expired["claims"]["expires_in"] = json!(-600);
        assert!(claims_of(&expired).is_err());

        let mut forged = described;
        forged["secret"] = json!("another-secret");
        assert!(claims_of(&forged).is_err());
        assert!(claims(&Person::from_case(&forged).unwrap(), "another-secret").is_ok());
    }

    #[test]
    fn a_case_without_a_user_name_is_refused_by_name() {
        let nameless = json!({"user_id": 7, "email": "amy@example.com"});
        assert!(Person::from_case(&nameless).unwrap_err().contains("username"));
    }
}
