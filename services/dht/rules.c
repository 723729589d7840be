#include "services/dht/rules.h"

#include "common/base/memory.h"
#include "common/canonical/keychange.h"
#include "common/crypto/hash.h"
#include "services/dht/mailbox.h"

#define HOURS    3600
#define VERDICTS 64 /* direct-mapped; what is read or handed on in quick succession */

/* ---- the table ---- */

static const char *check_endpoint(struct bytes payload) {
        return endpoint_payload_read(payload, NULL, NULL) ? NULL : "not a list of addresses";
}

static const char *check_profile(struct bytes payload) {
        struct profile_payload p;

        return profile_payload_read(payload, &p) ? NULL : "not a profile";
}

static const char *check_tombstone(struct bytes payload) {
        return payload.len % 32 == 0 ? NULL : "not a list of slots";
}

#define ROW(kind_, ns_, form_, writer_, kad_, min_, max_, ttl_, ttl_max_, publisher_, key_,    \
            check_)                                                                            \
        {                                                                                      \
                .kind = RECORD_##kind_, .ns = (ns_), .form = NAME_##form_,                     \
                .writer = WRITER_##writer_, .is_kad = (kad_), .payload_min = (min_),           \
                .payload_max = (max_), .ttl_s = (ttl_) *HOURS, .ttl_max_s = (ttl_max_) *HOURS, \
                .per_publisher = (publisher_), .per_key = (key_), .check = (check_)            \
        }

/* A publisher's quota falls from what everybody needs to what floods: names and topics
 * cannot take the place of an endpoint. */
/* kind, namespace, key, writer, kad, payload min and max, TTL and longest (h), per publisher, key
 */
static const struct record_rule table[] = {
        ROW(ENDPOINT, "endpoint", PEER, KEY_OWNER, true, 2, 2048, 48, 48, 256, 1, check_endpoint),
        ROW(PROFILE, "profile", PEER, KEY_OWNER, true, 33, 700, 48, 48, 256, 1, check_profile),
        ROW(NAME, "name", PEER_LABEL, KEY_OWNER, true, 32, 32, 48, 48, 128, 1, NULL),
        ROW(TOPIC, "topic", LABEL, ANYBODY, false, 0, 512, 24, 24, 64, 128, NULL),
        ROW(MAILBOX, "mailbox", PEER, WORKER, false, 1, 16384, 48, 48, 64, MAILBOX_LETTERS, NULL),
        ROW(TOMBSTONE, NULL, PEER, KEY_OWNER, false, 32, 32 * MAILBOX_DELETES_MAX, 48, 48, 512,
            MAILBOX_TOMBSTONES, check_tombstone),
        ROW(PUBLIC_KEY, "pk", MULTIHASH, EVIDENT, true, 36, PUBLIC_KEY_MAX, 48, 48, 0, 1, NULL),
        ROW(ROTATION, "rotation", PEER, ITS_KEY, true, 1, KEYCHANGE_BYTES_MAX, 48, 48, 256, 1,
            NULL),
        ROW(REVOCATION, "revocation", PEER, ITS_KEY, true, 1, KEYCHANGE_BYTES_MAX, 48, 48, 256, 1,
            NULL),
};

const struct record_rule *record_rule_at(size_t i) {
        return i < ELEMENTSOF(table) ? &table[i] : NULL;
}

const struct record_rule *record_rule_of(enum record_kind kind) {
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].kind == kind)
                        return &table[i];
        return NULL;
}

uint32_t record_republish_s(uint32_t ttl_s) {
        return (uint32_t) ((uint64_t) ttl_s * 22 / 48);
}

/* ---- the object ---- */

struct rules {
        struct rules_config config;
        rules_verify_fn verify;
        void *verify_userdata;
        rules_revoked_fn on_revoked;
        void *revoked_userdata;
        struct hash_value *verdicts; /* VERDICTS digests of records that verified, or NULL */
        struct rules_stats stats;
};

struct rules *rules_new(const struct rules_config *config) {
        struct rules *r = xnew(struct rules);

        r->config = *config;
        return r;
}

struct rules *rules_free(struct rules *r) {
        if (r)
                free(r->verdicts);
        free(r);
        return NULL;
}

void rules_verifier(struct rules *r, rules_verify_fn fn, void *userdata) {
        r->verify = fn;
        r->verify_userdata = userdata;
}

void rules_on_revoked(struct rules *r, rules_revoked_fn fn, void *userdata) {
        r->on_revoked = fn;
        r->revoked_userdata = userdata;
}

const struct rules_stats *rules_stats(const struct rules *r) {
        return &r->stats;
}

/* ---- validation ---- */

static bool verify_now(struct rules *r, const struct record_parts *p) {
        struct sign_public key;

        r->stats.verified++;
        if (!r->verify)
                return record_verify(p);
        return peer_id_ed25519(&p->fields.publisher, &key) &&
               r->verify(r->verify_userdata, &key, p->statement, p->signature);
}

/* A record comes again from every holder that is asked, and from its publisher each day. Where its
 * verdict is remembered; NULL: it was good, and need not be checked again. */
static struct hash_value *verdict_of(struct rules *r, const struct hash_value *digest) {
        struct hash_value *place;

        if (!r->verdicts)
                r->verdicts = xnew_n(struct hash_value, VERDICTS);
        place = &r->verdicts[digest->bytes[0] % VERDICTS];
        if (!hash_equal(place, digest))
                return place;
        r->stats.verdicts_cached++;
        return NULL;
}

static bool verify(struct rules *r, struct bytes value, const struct record_parts *p) {
        struct hash_value digest = hash_of("quorate.rec.1", value);
        struct hash_value *place = verdict_of(r, &digest);

        if (!place)
                return true;
        if (!verify_now(r, p))
                return false;
        *place = digest;
        return true;
}

static bool verify_keychange(struct rules *r, struct bytes value, const struct keychange_parts *p) {
        struct hash_value digest = hash_of("quorate.rec.1", value);
        struct hash_value *place = verdict_of(r, &digest);

        if (!place)
                return true;
        r->stats.verified += p->fields.kind == KEYCHANGE_ROTATION ? 2 : 1;
        if (!keychange_verify(p, r->verify, r->verify_userdata))
                return false;
        *place = digest;
        if (p->fields.kind == KEYCHANGE_REVOCATION && r->on_revoked)
                r->on_revoked(r->revoked_userdata, value);
        return true;
}

static const char *check_times(const struct record_statement *s, const struct record_rule *rule,
                               int64_t now_us) {
        int64_t ttl_us = (int64_t) s->ttl_s * 1000000;

        if (s->ttl_s > rule->ttl_max_s)
                return "it would live longer than its kind may";
        if (s->created_us > now_us + RULES_SKEW_US)
                return "it is dated in the future";
        return s->created_us + ttl_us > now_us ? NULL : "it has expired";
}

static const char *check_fields(const struct rules *r, const struct record_statement *s,
                                const struct record_rule *rule, int64_t now_us) {
        if (s->kind != rule->kind)
                return "another kind of record than its name says";
        if (!bytes_equal(s->network, BYTES_STR(r->config.network)))
                return "a record of another network";
        if (s->payload.len < rule->payload_min || s->payload.len > rule->payload_max)
                return "a payload of this length is not for this kind";
        if (rule->check && rule->check(s->payload))
                return rule->check(s->payload);
        return check_times(s, rule, now_us);
}

/* What is cheap first: a signature is checked only of what would be kept. */
const char *rules_open(struct rules *r, enum record_kind kind, struct bytes value, int64_t now_us,
                       struct record_parts *ret) {
        const struct record_rule *rule = record_rule_of(kind);
        const char *wrong;

        if (record_split(value, ret) != RECORD_OK)
                return "not a signed record";
        wrong = check_fields(r, &ret->fields, rule, now_us);
        if (wrong)
                return wrong;
        return verify(r, value, ret) ? NULL : "the signature is not its publisher's";
}

static const char *validate_signed(struct rules *r, const struct record_name *name,
                                   struct bytes value, int64_t now_us, struct stored_record *ret) {
        struct record_parts parts;
        const struct record_statement *s = &parts.fields;
        bool by_owner = name->rule->writer == WRITER_KEY_OWNER;
        struct key publisher;
        const char *wrong;

        if (record_split(value, &parts) != RECORD_OK)
                return "not a signed record";
        if (!bytes_equal(s->label, name->label))
                return "a record of another name";
        if (by_owner && !peer_id_equal(&s->publisher, &name->peer))
                return "its publisher may not write under this name";
        wrong = rules_open(r, name->rule->kind, value, now_us, &parts);
        if (wrong)
                return wrong;
        publisher = key_of_peer(&s->publisher);
        memcpy(ret->publisher, publisher.bytes, KEY_SIZE);
        if (!name->rule->is_kad)
                memcpy(ret->slot, publisher.bytes, KEY_SIZE);
        ret->sequence = s->sequence;
        ret->expires_us = s->created_us + (int64_t) s->ttl_s * 1000000;
        if (ret->expires_us > now_us + (int64_t) name->rule->ttl_max_s * 1000000)
                ret->expires_us = now_us + (int64_t) name->rule->ttl_max_s * 1000000;
        return NULL;
}

static const char *validate_letter(struct rules *r, const struct record_name *name,
                                   struct bytes value, int64_t now_us, struct stored_record *ret) {
        struct letter l;
        const char *wrong;

        if (!letter_read(value, &l))
                return "not a letter";
        if (!peer_id_equal(&l.recipient, &name->peer))
                return "a letter to somebody else";
        wrong = letter_check(&l, r->config.mailbox_bits, now_us);
        if (wrong)
                return wrong;
        letter_slot(value, ret->slot);
        ret->expires_us = letter_expires_us(&l);
        return NULL;
}

static const char *validate_public_key(struct rules *r, const struct record_name *name,
                                       struct bytes value, int64_t now_us,
                                       struct stored_record *ret) {
        struct peer_id peer;

        if (!peer_id_from_public_key(value, &peer) || !peer_id_equal(&peer, &name->peer))
                return "not the public key of that peer";
        ret->expires_us = now_us + (int64_t) name->rule->ttl_s * 1000000;
        return NULL;
}

/* Whoever brings it lets it live on: neither ever stops being true. */
static const char *validate_keychange(struct rules *r, const struct record_name *name,
                                      struct bytes value, int64_t now_us,
                                      struct stored_record *ret) {
        enum keychange_kind kind =
                name->rule->kind == RECORD_ROTATION ? KEYCHANGE_ROTATION : KEYCHANGE_REVOCATION;
        struct keychange_parts parts;
        struct key publisher;

        if (keychange_split(value, &parts) != KEYCHANGE_OK || parts.fields.kind != kind)
                return "not such a statement";
        if (!peer_id_equal(&parts.fields.peer, &name->peer))
                return "a statement about another peer";
        if (parts.fields.created_us > now_us + RULES_SKEW_US)
                return "it is dated in the future";
        if (!verify_keychange(r, value, &parts))
                return "a signature is not by the key it names";
        publisher = key_of_peer(&parts.fields.peer);
        memcpy(ret->publisher, publisher.bytes, KEY_SIZE);
        ret->expires_us = now_us + (int64_t) name->rule->ttl_s * 1000000;
        return NULL;
}

const char *rules_validate(struct rules *r, struct bytes name, struct bytes value, int64_t now_us,
                           struct stored_record *ret) {
        static const char *(*const by_writer[])(struct rules *, const struct record_name *,
                                                struct bytes, int64_t, struct stored_record *) = {
                [WRITER_KEY_OWNER] = validate_signed,  [WRITER_ANYBODY] = validate_signed,
                [WRITER_WORKER] = validate_letter,     [WRITER_EVIDENT] = validate_public_key,
                [WRITER_ITS_KEY] = validate_keychange,
        };
        struct record_name parsed;
        const char *wrong = "the record table has no row for this name";

        *ret = (struct stored_record){ .name = name, .value = value, .received_us = now_us };
        if (record_name_read(name, &parsed)) {
                ret->key = key_of(name);
                ret->kind = (uint8_t) parsed.rule->kind;
                wrong = by_writer[parsed.rule->writer](r, &parsed, value, now_us, ret);
        }
        if (wrong)
                r->stats.refused++;
        return wrong;
}

int rules_select(struct bytes name, struct bytes a, struct bytes b) {
        struct record_name parsed;
        struct record_parts x, y;

        if (record_name_read(name, &parsed) && parsed.rule->writer == WRITER_ITS_KEY)
                return keychange_select(a, b);
        if (record_split(a, &x) != RECORD_OK || record_split(b, &y) != RECORD_OK)
                return 0;
        if (x.fields.sequence != y.fields.sequence)
                return x.fields.sequence > y.fields.sequence ? -1 : 1;
        if (x.fields.created_us != y.fields.created_us)
                return x.fields.created_us > y.fields.created_us ? -1 : 1;
        return -bytes_compare(a, b); /* the publisher says two things at once: all take the same */
}
