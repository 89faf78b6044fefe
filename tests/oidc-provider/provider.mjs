// A real OpenID Connect provider that signs in whoever gives a name, for the test of the console's sign-in:
// node provider.mjs PORT REDIRECT_URI LOGOUT_URI CLIENT_ID CLIENT_SECRET
import Provider from "oidc-provider";

const [port, redirectUri, logoutUri, clientId, clientSecret] = process.argv.slice(2);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code", "refresh_token"],
      token_endpoint_auth_method: "client_secret_post",
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    },
  ],
  claims: {
    openid: ["sub"],
    profile: ["preferred_username", "administrator", "roles"],
    email: ["email", "email_verified"],
  },
  // The identity token has the claims, as that of most companies' providers.
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      preferred_username: id,
      administrator: true,
      email: `${id}@example.com`,
      email_verified: true,
    }),
  }),
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  issueRefreshToken: () => true,
  pkce: { required: () => true },
  cookies: { keys: ["a key of a test"] },
});
provider.on("backchannel.error", (_, error) => console.error("back-channel logout failed:", error.message));
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
