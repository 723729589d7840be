#include "services/keyring/keyring.h"

#include "common/base/error.h"
#include "services/keyring/certificate.h"
#include "services/keyring/permit.h"

#define TRANSCRIPT_SHA256 32 /* bytes behind the prefix of a CertificateVerify */
#define TRANSCRIPT_SHA384 48

const char *keyring_result_text(int r) {
        static const char *const texts[_KEYRING_RESULT_N] = {
                [KEYRING_OK] = "signed",
                [KEYRING_E_FIELD] = "a field is missing, malformed or out of its limits",
                [KEYRING_E_RATE] = "above the rate of this statement; try again later",
                [KEYRING_E_FOREIGN] = "it would speak for another node or with a key not ours",
                [KEYRING_E_KEY] = "no TLS key of that type",
                [KEYRING_E_FAULT] = "the signature made did not verify; nothing was given out",
                [KEYRING_E_SOCKET] = "this statement is not for this socket",
        };

        return r >= 0 && r < _KEYRING_RESULT_N ? texts[r] : "unknown answer";
}

void keyring_init(struct keyring *k, const uint8_t seed[IDENTITY_SEED_SIZE],
                  struct certkey *const tls[_CERTKEY_N]) {
        *k = (struct keyring){};
        identity_init(&k->identity, seed);
        k->self = peer_id_from_ed25519(&k->identity.sign_public);
        for (size_t i = 0; i < _CERTKEY_N; i++)
                k->tls[i] = tls[i];
        for (size_t i = 0; i < _KEYRING_STATEMENT_N; i++)
                rate_init(&k->rates[i], keyring_rules[i].burst, keyring_rules[i].per_second);
}

void keyring_done(struct keyring *k) {
        for (size_t i = 0; i < _CERTKEY_N; i++)
                certkey_free(k->tls[i]);
        crypto_wipe(k, sizeof(*k));
}

void keyring_signed_done(struct keyring_signed *s) {
        buffer_done(&s->bytes);
}

int keyring_refuse(struct keyring *k, int r) {
        k->refused_n[r]++;
        return r;
}

static bool has_prefix(struct bytes v, struct bytes prefix) {
        return v.len >= prefix.len && bytes_equal(BYTES(v.data, prefix.len), prefix);
}

/* The table's word on it. Nothing is signed without passing here. */
int keyring_permit(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                   struct bytes statement) {
        const struct keyring_rule *rule = &keyring_rules[what];

        if (ask->socket != rule->socket)
                return KEYRING_E_SOCKET;
        if (!has_prefix(statement, rule->prefix))
                return KEYRING_E_FIELD;
        return rate_take(&k->rates[what], ask->now) ? KEYRING_OK : KEYRING_E_RATE;
}

/* With the node's key, and only what its own row allows. */
int keyring_sign(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                 struct bytes statement, struct signature *ret) {
        struct signature s;
        int r;

        check(keyring_rules[what].key == KEYRING_KEY_NODE);
        r = keyring_permit(k, ask, what, statement);
        if (r)
                return keyring_refuse(k, r);
        s = sign_make(&k->identity.sign_secret, statement);
        /* A bit flipped while signing would let others compute the key from the result. */
        if (!sign_verify(&k->identity.sign_public, statement, signature_bytes(&s)))
                return keyring_refuse(k, KEYRING_E_FAULT);
        k->signed_n[what]++;
        *ret = s;
        return KEYRING_OK;
}

static bool is_self(const struct keyring *k, struct bytes peer) {
        return bytes_equal(peer, peer_id_bytes(&k->self));
}

static bool is_peer(struct bytes peer) {
        struct peer_id id;

        return peer_id_parse(peer, &id);
}

/* Signs what an encoder wrote, or passes on that it refused. Takes the bytes over. */
static int finish(struct keyring *k, const struct keyring_ask *ask, enum keyring_statement what,
                  int encoded, struct buffer *bytes, struct keyring_signed *ret) {
        int r;

        if (encoded != STATEMENT_OK || bytes->failed)
                return keyring_refuse(k, KEYRING_E_FIELD);
        r = keyring_sign(k, ask, what, buffer_bytes(bytes), &ret->signature);
        if (r)
                return r;
        ret->bytes = *bytes;
        buffer_init(bytes, 0);
        return KEYRING_OK;
}

int keyring_sign_dispatch(struct keyring *k, const struct keyring_ask *ask,
                          const struct dispatch_statement *s, struct keyring_signed *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};

        buffer_init(&bytes, STATEMENT_BYTES_MAX);
        if (!is_peer(s->host))
                return keyring_refuse(k, KEYRING_E_FIELD);
        return finish(k, ask, KEYRING_DISPATCH, dispatch_encode(s, &bytes), &bytes, ret);
}

int keyring_sign_verdict(struct keyring *k, const struct keyring_ask *ask,
                         const struct verdict_statement *s, struct keyring_signed *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};

        buffer_init(&bytes, STATEMENT_BYTES_MAX);
        if (!is_peer(s->host))
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (is_self(k, s->host))
                return keyring_refuse(k, KEYRING_E_FOREIGN); /* nobody is a judge of himself */
        return finish(k, ask, KEYRING_VERDICT, verdict_encode(s, &bytes), &bytes, ret);
}

int keyring_sign_commit(struct keyring *k, const struct keyring_ask *ask,
                        const struct commit_statement *s, struct keyring_signed *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};

        buffer_init(&bytes, STATEMENT_BYTES_MAX);
        if (!is_self(k, s->host))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return finish(k, ask, KEYRING_COMMIT, commit_encode(s, &bytes), &bytes, ret);
}

static bool fill_record(struct peer_record *record, const struct bytes *addrs, size_t n_addrs) {
        if (n_addrs > PEER_RECORD_ADDRS_MAX)
                return false;
        for (size_t i = 0; i < n_addrs; i++)
                if (multiaddr_parse(addrs[i], &record->addrs[i]) != MULTIADDR_OK)
                        return false;
        record->n_addrs = n_addrs;
        return true;
}

int keyring_sign_peer_record(struct keyring *k, const struct keyring_ask *ask, uint64_t seq,
                             const struct bytes *addrs, size_t n_addrs, struct buffer *ret) {
        CLEANUP(buffer_donep) struct buffer payload = {}, statement = {};
        struct peer_record record = { .peer = k->self, .seq = seq };
        struct signature signature;
        int r;

        buffer_init(&payload, ENVELOPE_MAX);
        buffer_init(&statement, ENVELOPE_MAX);
        if (seq <= k->record_seq || !fill_record(&record, addrs, n_addrs))
                return keyring_refuse(k, KEYRING_E_FIELD);
        peer_record_put(&payload, &record);
        envelope_put_signed(&statement, PEER_RECORD_DOMAIN, PEER_RECORD_TYPE,
                            buffer_bytes(&payload));
        if (statement.failed)
                return keyring_refuse(k, KEYRING_E_FIELD);

        r = keyring_sign(k, ask, KEYRING_PEER_RECORD, buffer_bytes(&statement), &signature);
        if (r)
                return r;
        k->record_seq = seq;
        envelope_put(ret, &k->identity.sign_public, PEER_RECORD_TYPE, buffer_bytes(&payload),
                     &signature);
        return KEYRING_OK;
}

int keyring_bind_tls(struct keyring *k, const struct keyring_ask *ask, enum certkey_type type,
                     struct keyring_binding *ret) {
        CLEANUP(buffer_donep) struct buffer statement = {};
        struct keyring_binding binding;
        struct buffer key = buffer_over(binding.public_key, sizeof(binding.public_key));
        int r;

        buffer_init(&statement, 512);
        if (type >= _CERTKEY_N || !k->tls[type])
                return keyring_refuse(k, KEYRING_E_KEY);
        binding.spki = certkey_spki(k->tls[type]);
        public_key_put_ed25519(&key, &k->identity.sign_public);
        buffer_put_bytes(&statement, keyring_rules[KEYRING_TLS_BINDING].prefix);
        buffer_put_bytes(&statement, binding.spki);
        if (statement.failed)
                return keyring_refuse(k, KEYRING_E_FIELD);

        r = keyring_sign(k, ask, KEYRING_TLS_BINDING, buffer_bytes(&statement), &binding.signature);
        if (r)
                return r;
        *ret = binding;
        return KEYRING_OK;
}

static struct certkey *own_certkey(const struct keyring *k, struct bytes spki) {
        for (size_t i = 0; i < _CERTKEY_N; i++)
                if (k->tls[i] && bytes_equal(certkey_spki(k->tls[i]), spki))
                        return k->tls[i];
        return NULL;
}

/* Which row a CertificateVerify content belongs to; _KEYRING_STATEMENT_N: none. */
static enum keyring_statement verify_row(struct bytes content) {
        static const enum keyring_statement rows[] = { KEYRING_TLS_SERVER, KEYRING_TLS_CLIENT };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bytes prefix = keyring_rules[rows[i]].prefix;

                if (has_prefix(content, prefix) && (content.len - prefix.len == TRANSCRIPT_SHA256 ||
                                                    content.len - prefix.len == TRANSCRIPT_SHA384))
                        return rows[i];
        }
        return _KEYRING_STATEMENT_N;
}

/* With a TLS key; KEYRING_TLS_DIGEST is given the hash of what is signed. */
static int sign_with_tls(struct keyring *k, const struct keyring_ask *ask, struct certkey *key,
                         enum keyring_statement what, struct bytes input,
                         struct certkey_signature *ret) {
        int r = keyring_permit(k, ask, what, input);

        if (r)
                return keyring_refuse(k, r);
        r = what == KEYRING_TLS_DIGEST ? certkey_sign_digest(key, input, ret)
                                       : certkey_sign(key, input, ret);
        if (r)
                return keyring_refuse(k, r == CERTKEY_E_FORM ? KEYRING_E_FIELD : KEYRING_E_FAULT);
        k->signed_n[what]++;
        return KEYRING_OK;
}

int keyring_sign_tls(struct keyring *k, const struct keyring_ask *ask,
                     const struct keyring_tls_request *request, struct certkey_signature *ret) {
        struct certkey *key = own_certkey(k, request->spki);
        bool by_digest = request->digest.len > 0;
        enum keyring_statement what = by_digest ? KEYRING_TLS_DIGEST : verify_row(request->content);

        if (!key)
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        if (what == _KEYRING_STATEMENT_N || (by_digest && request->content.len > 0))
                return keyring_refuse(k, KEYRING_E_FIELD);
        return sign_with_tls(k, ask, key, what, by_digest ? request->digest : request->content,
                             ret);
}

int keyring_sign_certificate(struct keyring *k, const struct keyring_ask *ask, struct bytes spki,
                             struct bytes tbs, struct certkey_signature *ret) {
        struct certkey *key = own_certkey(k, spki);
        struct bytes inside;

        if (!key)
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        if (!certificate_tbs_key(tbs, &inside))
                return keyring_refuse(k, KEYRING_E_FIELD);
        if (!bytes_equal(inside, spki))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        return sign_with_tls(k, ask, key, KEYRING_CERTIFICATE, tbs, ret);
}
