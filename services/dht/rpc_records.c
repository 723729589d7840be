/* dht/records: protobuf on one side, struct dht and its keeper on the other. One
 * function per rpc. */

#include <string.h>

#include "common/base/error.h"
#include "common/base/list.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/keychange.h"
#include "common/canonical/record.h"
#include "common/daemon/log.h"
#include "services/dht/calls.h"
#include "services/dht/list_page.h"
#include "services/dht/mailbox.h"
#include "services/dht/record.h"
#include "services/dht/shell.h"

#define GATHER_MAX  128
#define LIST_MAX    200
#define HOUR_US     INT64_C(3600000000)
#define MINE_STEP   (UINT64_C(1) << 14) /* tries of a proof of work in one turn: about 4 ms */
#define REPLY_BYTES (768 * 1024)        /* a reply on the bus is at most 1 MiB */

static struct shell *shell_of(Dht__Records_Service *service) {
        return ((struct records_service *) service)->shell;
}

static struct bytes bytes_of(ProtobufCBinaryData v) {
        return BYTES(v.data, v.len);
}

/* ---- A call under way: values gather, then it ends ---- */

struct gathering {
        struct list link;
        struct shell *shell;
        struct call *call;
        Dht__Record **records;
        size_t n, max, bytes, n_left_out;
        struct letter letter; /* Send: being mined */
        struct refbuf *sealed;
        struct loop_source *mining;
};

static struct gathering *gather(struct shell *s, struct call *call, size_t max) {
        struct gathering *g = xnew(struct gathering);

        g->shell = s;
        g->call = call;
        g->max = max > 0 && max < GATHER_MAX ? max : GATHER_MAX;
        g->records = call_alloc(call, (g->max + 1) * sizeof(*g->records));
        list_push_back(&s->gatherings, &g->link);
        return g;
}

static void gathering_free(struct gathering *g) {
        list_remove(&g->link);
        loop_source_free(g->mining);
        refbuf_unref(g->sealed);
        free(g);
}

static ProtobufCBinaryData keep(struct call *call, struct bytes v) {
        uint8_t *copy = call_alloc(call, v.len + 1);

        if (v.len > 0)
                memcpy(copy, v.data, v.len);
        return (ProtobufCBinaryData){ v.len, copy };
}

static uint64_t ms_between(int64_t from_us, int64_t to_us) {
        return to_us > from_us ? (uint64_t) (to_us - from_us) / 1000 : 0;
}

static void put_keychange(struct call *call, const struct keychange *c, int64_t now_us,
                          Dht__Record *ret) {
        ret->age_ms = ms_between(c->created_us, now_us);
        ret->kind = (char *) record_kind_text(c->kind == KEYCHANGE_ROTATION ? RECORD_ROTATION
                                                                            : RECORD_REVOCATION);
        ret->publisher = keep(call, peer_id_bytes(&c->peer));
        ret->sequence = (uint64_t) c->created_us;
        ret->payload = keep(call, peer_id_bytes(&c->successor));
}

static void put_signed(struct call *call, const struct record_statement *s, int64_t now_us,
                       Dht__Record *ret) {
        ret->kind = (char *) record_kind_text(s->kind);
        ret->publisher = keep(call, peer_id_bytes(&s->publisher));
        ret->sequence = s->sequence;
        ret->payload = keep(call, s->payload);
        ret->age_ms = ms_between(s->created_us, now_us);
        ret->expires_ms = ms_between(now_us, s->created_us + (int64_t) s->ttl_s * 1000000);
}

/* What the publisher signed, taken apart, and the whole; of a letter what is sealed, alone: the
 * rest was for who stores it, and one is as long as 16 KiB. */
static void put_value(struct call *call, struct bytes value, int64_t now_us, Dht__Record *ret) {
        struct keychange_parts change;
        struct record_parts parts;
        struct letter letter;

        if (letter_read(value, &letter)) {
                ret->payload = keep(call, letter.sealed);
                ret->age_ms = ms_between(letter.hour * HOUR_US, now_us);
                return;
        }
        ret->value = keep(call, value);
        ret->payload = ret->value;
        if (keychange_split(value, &change) == KEYCHANGE_OK)
                put_keychange(call, &change.fields, now_us, ret);
        else if (!record_split(value, &parts))
                put_signed(call, &parts.fields, now_us, ret);
}

static Dht__Record *put_stored(struct call *call, const struct stored_record *r, int64_t now_us) {
        Dht__Record *out = call_alloc(call, sizeof(*out));

        dht__record__init(out);
        out->age_ms = ms_between(r->received_us, now_us); /* where the value does not say it */
        put_value(call, r->value, now_us, out);
        out->name = keep(call, r->name);
        if (!out->kind[0])
                out->kind = (char *) record_kind_text((enum record_kind) r->kind);
        if (r->kind == RECORD_MAILBOX)
                out->name = keep(call, BYTES(r->slot, sizeof(r->slot)));
        out->expires_ms = ms_between(now_us, r->expires_us);
        out->own = r->class == STORE_OWN;
        return out;
}

static void on_value(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct gathering *g = userdata;
        size_t size = (r->kind == RECORD_MAILBOX ? 1 : 2) * r->value.len + 256;
        Dht__Record *out;

        if (g->n == g->max || g->bytes + size > REPLY_BYTES) {
                g->n_left_out++;
                return;
        }
        g->bytes += size;
        out = put_stored(g->call, r, dht_wall_us(g->shell->core, shell_now(g->shell)));
        out->copies = (uint32_t) n_copies;
        out->own = bytes_equal(bytes_of(out->publisher), peer_id_bytes(&g->shell->self));
        g->records[g->n++] = out;
}

/* ---- Ends ---- */

static bool keeper_failed(const struct gathering *g, const struct keeper_result *r) {
        static const struct {
                enum dht_code code;
                const char *text;
        } answers[] = {
                [KEEPER_E_BUSY] = { DHT_E_BUSY, "too much is under way; try again" },
                [KEEPER_E_INVALID] = { DHT_E_INVALID, "against the record table" },
                [KEEPER_E_KEYRING] = { DHT_E_KEYRING, "keyring did not sign; see its log" },
                [KEEPER_E_NOBODY] = { DHT_E_NO_PEERS, "no node answered; try again in a few "
                                                      "seconds, then see `quorate status`" },
        };

        if (r->code == KEEPER_OK)
                return false;
        if (r->code == KEEPER_E_KEYRING && g->shell->refusal[0])
                call_fail(g->call, DHT_E_KEYRING, "keyring did not sign: %s", g->shell->refusal);
        else
                call_fail(g->call, (int) answers[r->code].code, "%s",
                          r->text ? r->text : answers[r->code].text);
        return true;
}

static void end_put(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct gathering *g = userdata;
        Dht__PutReply reply = DHT__PUT_REPLY__INIT;

        if (!keeper_failed(g, r)) {
                reply.stored = (uint32_t) r->n_stored;
                reply.asked = (uint32_t) r->n_asked;
                reply.name = keep(g->call, r->name);
                reply.sequence = r->sequence;
                call_reply(g->call, &reply);
        }
        gathering_free(g);
}

static void end_get(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct gathering *g = userdata;
        Dht__GetReply reply = DHT__GET_REPLY__INIT;

        if (!keeper_failed(g, r)) {
                reply.records = g->records;
                reply.n_records = g->n;
                reply.asked = (uint32_t) r->n_asked;
                reply.left_out = (uint32_t) g->n_left_out;
                call_reply(g->call, &reply);
        }
        gathering_free(g);
}

static void end_empty(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct gathering *g = userdata;
        const Types__Empty reply = TYPES__EMPTY__INIT;

        if (!keeper_failed(g, r))
                call_reply(g->call, &reply);
        gathering_free(g);
}

/* ---- Records of one value ---- */

static enum record_kind kind_from(const char *text) {
        for (unsigned kind = 1; kind < _RECORD_SIGNED_N; kind++)
                if (kind != RECORD_TOMBSTONE && strcmp(text, record_kind_text(kind)) == 0)
                        return kind;
        return 0;
}

/* NULL: so long may the payload be; else what is wrong, in words of ret. */
static const char *check_length(enum record_kind kind, struct bytes payload, char ret[120]) {
        const struct record_rule *rule = record_rule_of(kind);
        const char *name = record_kind_text(kind);
        int n;

        if (!rule || (payload.len >= rule->payload_min && payload.len <= rule->payload_max))
                return NULL;
        n = rule->payload_min == rule->payload_max
                    ? snprintf(ret, 120, "the payload of a %s has %u bytes", name,
                               rule->payload_min)
                    : snprintf(ret, 120, "the payload of a %s has %u to %u bytes", name,
                               rule->payload_min, rule->payload_max);
        (void) snprintf(ret + n, 120 - (size_t) n, ", this one %zu", payload.len);
        return ret;
}

/* A profile is this node's X25519 key, which its owner need not know, and a name: that alone is
 * asked for, the whole is taken as well. NULL: good; else what is wrong. */
static const char *make_profile(const struct shell *s, struct bytes given, struct buffer *ret) {
        struct profile_payload profile = { .name = given };

        if (given.len > RECORD_TEXT_MAX || !utf8_is_valid(given)) {
                if (!profile_payload_read(given, &profile))
                        return "a profile takes a name of at most 64 bytes of UTF-8";
                if (memcmp(profile.x25519, s->x25519, sizeof(s->x25519)) != 0)
                        return "a profile names this node's X25519 key (`quorate key show`), and "
                               "this one names another: give the name alone";
        }
        memcpy(profile.x25519, s->x25519, sizeof(s->x25519));
        profile_payload_put(ret, &profile);
        return NULL;
}

static void records_put(Dht__Records_Service *service, const Dht__PutRequest *in,
                        Dht__PutReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        enum record_kind kind = kind_from(in->kind);
        CLEANUP(buffer_donep) struct buffer profile = {};
        struct bytes payload = bytes_of(in->payload);
        struct shell *s = shell_of(service);
        const char *wrong = NULL;
        char length[120];

        if (kind == 0) {
                call_fail(call, DHT_E_INVALID, "kinds are endpoint, profile, topic and name");
                return;
        }
        buffer_init(&profile, RECORD_PAYLOAD_MAX);
        if (kind == RECORD_PROFILE)
                wrong = make_profile(s, payload, &profile);
        else
                wrong = check_length(kind, payload, length);
        if (wrong) {
                call_fail(call, DHT_E_INVALID, "%s", wrong);
                return;
        }
        if (kind == RECORD_PROFILE)
                payload = buffer_bytes(&profile);
        keeper_put(s->keeper,
                   &(struct keeper_record){ kind, BYTES_STR(in->label), payload,
                                            (uint32_t) (in->ttl_ms / 1000) },
                   &(struct keeper_call){ .done = end_put, .userdata = gather(s, call, 0) },
                   shell_now(s));
        shell_turn(s);
}

/* It is kept whether or not somebody was there to take it. */
static void end_published(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct keeper_result kept = *r;

        if (kept.code == KEEPER_E_NOBODY)
                kept.code = KEEPER_OK;
        end_put(userdata, &kept, now);
}

static void records_publish(Dht__Records_Service *service, const Dht__PublishRequest *in,
                            Dht__PutReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);

        keeper_publish(
                s->keeper, bytes_of(in->value),
                &(struct keeper_call){ .done = end_published, .userdata = gather(s, call, 0) },
                shell_now(s));
        shell_turn(s);
}

/* A lookup by kad: results come as dht_result. */
static void end_found(struct shell *s, struct pending_call *p, unsigned code, const char *text) {
        Dht__GetReply reply = DHT__GET_REPLY__INIT;

        if (shell_call_failed(p, code, text))
                return;
        reply.records = call_alloc(p->call, (p->n + 1) * sizeof(*reply.records));
        for (size_t i = 0; i < p->n; i++) {
                const struct dht_result *r = p->results[i];
                Dht__Record *out = call_alloc(p->call, sizeof(*out));

                if (!r->value)
                        continue;
                dht__record__init(out);
                put_value(p->call, refbuf_bytes(r->value), dht_wall_us(s->core, shell_now(s)), out);
                out->name = r->name ? keep(p->call, refbuf_bytes(r->name)) : out->name;
                out->copies = r->copies;
                reply.records[reply.n_records++] = out;
        }
        call_reply(p->call, &reply);
}

static void records_get(Dht__Records_Service *service, const Dht__GetRequest *in,
                        Dht__GetReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        struct record_name name;

        if (!record_name_read(bytes_of(in->name), &name)) {
                call_fail(call, DHT_E_BAD_KEY, "not a name of the record table");
                return;
        }
        if (name.rule->is_kad)
                dht_get(s->core, shell_pend(s, call, 1, end_found), bytes_of(in->name),
                        shell_now(s));
        else
                keeper_find(s->keeper, bytes_of(in->name),
                            &(struct keeper_call){ end_get, on_value, gather(s, call, in->max) },
                            shell_now(s));
        shell_turn(s);
}

/* Nobody was asked: it is this node that has nothing of that name. */
static const char *text_of_unput(unsigned code, const char *text) {
        return !text && code == DHT_E_NOT_FOUND ? "this node publishes nothing under that name"
                                                : text;
}

static void end_unput(struct shell *s, struct pending_call *p, unsigned code, const char *text) {
        const Types__Empty reply = TYPES__EMPTY__INIT;

        if (!shell_call_failed(p, code, text_of_unput(code, text)))
                call_reply(p->call, &reply);
}

static void records_unput(Dht__Records_Service *service, const Dht__GetRequest *in,
                          Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);

        dht_unput(s->core, shell_pend(s, call, 1, end_unput), bytes_of(in->name), shell_now(s));
        shell_turn(s);
}

/* ---- Listing ---- */

struct listing {
        struct shell *shell;
        struct call *call;
        Dht__ListReply reply;
        struct list_page page;
        bool foreign;
};

static bool list_one(void *userdata, const struct stored_record *r) {
        struct listing *l = userdata;
        enum list_step step;
        Dht__Record *out;

        if (l->foreign != (r->class == STORE_FOREIGN))
                return true;
        step = list_page_step(&l->page, &r->key, 2 * r->value.len + 256);
        l->reply.truncated = step == LIST_FULL;
        if (step != LIST_TAKE)
                return step != LIST_FULL;
        out = put_stored(l->call, r, dht_wall_us(l->shell->core, shell_now(l->shell)));
        out->name = keep(l->call, r->name);
        l->reply.records[l->reply.n_records++] = out;
        return true;
}

/* The rest of the key that the page before ended in, then what is behind it. */
static void list_foreign(struct listing *l, const Dht__ListRequest *in) {
        const struct key after = l->page.after;
        struct record_store *store = l->shell->store.self;

        if (in->inside > 0)
                (void) l->shell->store.ops->each(store, &after, list_one, l);
        if (!l->reply.truncated)
                (void) l->shell->store.ops->walk(store, in->after.len > 0 ? &after : NULL,
                                                 LIST_MAX * 16, list_one, l);
}

static void records_list(Dht__Records_Service *service, const Dht__ListRequest *in,
                         Dht__ListReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        struct listing l = {
                .shell = s, .call = call, .reply = DHT__LIST_REPLY__INIT, .foreign = in->foreign
        };
        size_t max = in->max > 0 && in->max < LIST_MAX ? in->max : LIST_MAX;
        struct key after = {};

        if (in->after.len > 0)
                after = key_of(bytes_of(in->after));
        list_page_init(&l.page, &after, in->inside, max, REPLY_BYTES);
        l.reply.records = call_alloc(call, max * sizeof(*l.reply.records));
        if (in->foreign)
                list_foreign(&l, in);
        else
                (void) s->store.ops->own(s->store.self, list_one, &l);
        l.reply.inside = (uint32_t) l.page.inside;
        call_reply(call, &l.reply);
}

/* ---- Providers ---- */

static void end_provided(struct shell *s, struct pending_call *p, unsigned code, const char *text) {
        Dht__PutReply reply = DHT__PUT_REPLY__INIT;

        reply.stored = p->stored;
        reply.asked = p->asked;
        if (!shell_call_failed(p, code, text))
                call_reply(p->call, &reply);
}

static void records_provide(Dht__Records_Service *service, const Dht__ProvideRequest *in,
                            Dht__PutReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);

        dht_provide(s->core, shell_pend(s, call, 1, end_provided), bytes_of(in->name), in->on,
                    shell_now(s));
        shell_turn(s);
}

/* ---- Topics ---- */

static void end_withdrawn(struct shell *s, struct pending_call *p, unsigned code,
                          const char *text) {
        end_provided(s, p, code, text_of_unput(code, text));
}

static void records_announce(Dht__Records_Service *service, const Dht__AnnounceRequest *in,
                             Dht__PutReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        CLEANUP(buffer_donep) struct buffer name = {};
        struct shell *s = shell_of(service);
        const struct peer_id nobody = {};

        if (in->on) {
                keeper_put(s->keeper,
                           &(struct keeper_record){ RECORD_TOPIC, BYTES_STR(in->topic),
                                                    bytes_of(in->payload), 0 },
                           &(struct keeper_call){ .done = end_put, .userdata = gather(s, call, 0) },
                           shell_now(s));
        } else {
                buffer_init(&name, RECORD_NAME_MAX);
                if (!record_name_put(&name, RECORD_TOPIC, &nobody, BYTES_STR(in->topic))) {
                        call_fail(call, DHT_E_BAD_KEY, "a topic has 1 to 128 bytes");
                        return;
                }
                dht_unput(s->core, shell_pend(s, call, 1, end_withdrawn), buffer_bytes(&name),
                          shell_now(s));
        }
        shell_turn(s);
}

static void records_find_topic(Dht__Records_Service *service, const Dht__GetRequest *in,
                               Dht__GetReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);

        keeper_find(s->keeper, bytes_of(in->name),
                    &(struct keeper_call){ end_get, on_value, gather(s, call, in->max) },
                    shell_now(s));
        shell_turn(s);
}

/* ---- Letters ---- */

static void deliver(struct gathering *g) {
        CLEANUP(buffer_donep) struct buffer b = {};
        struct shell *s = g->shell;

        buffer_init(&b, MAILBOX_LETTER_MAX);
        letter_put(&b, &g->letter);
        keeper_send(s->keeper, buffer_bytes(&b),
                    &(struct keeper_call){ .done = end_put, .userdata = g }, shell_now(s));
        shell_turn(s);
}

/* A second of work, in steps between which others are served. */
static int on_mine(void *userdata) {
        struct gathering *g = userdata;

        if (!letter_mine(&g->letter, MAILBOX_WORK_BITS, MINE_STEP))
                return loop_defer(g->mining);
        deliver(g);
        return 0;
}

static void records_send(Dht__Records_Service *service, const Dht__SendRequest *in,
                         Dht__PutReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);
        struct gathering *g = gather(s, call, 0);

        if (!peer_id_parse(bytes_of(in->recipient), &g->letter.recipient)) {
                call_fail(call, DHT_E_BAD_KEY, "not a peer id");
                gathering_free(g);
                return;
        }
        g->sealed = refbuf_new(bytes_of(in->sealed));
        g->letter.sealed = refbuf_bytes(g->sealed);
        if (!letter_fits(&g->letter)) {
                call_fail(call, DHT_E_REFUSED, "a letter has at most %d bytes, and this one %zu",
                          MAILBOX_LETTER_MAX - MAILBOX_HEAD_MAX, g->letter.sealed.len);
                gathering_free(g);
                return;
        }
        g->letter.hour = (uint32_t) (dht_wall_us(s->core, shell_now(s)) / HOUR_US);
        if (loop_add_defer(s->loop, on_mine, g, &g->mining) || loop_defer(g->mining)) {
                call_fail(call, DHT_E_BUSY, "no timer");
                gathering_free(g);
        }
}

static void records_mailbox(Dht__Records_Service *service, const Dht__MailboxRequest *in,
                            Dht__GetReply_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct shell *s = shell_of(service);

        keeper_mailbox(s->keeper,
                       &(struct keeper_call){ end_get, on_value, gather(s, call, in->max) },
                       shell_now(s));
        shell_turn(s);
}

static void records_forget(Dht__Records_Service *service, const Dht__ForgetRequest *in,
                           Types__Empty_Closure closure, void *closure_data) {
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        uint8_t slots[MAILBOX_DELETES_MAX][32];
        struct shell *s = shell_of(service);

        if (in->n_names == 0 || in->n_names > MAILBOX_DELETES_MAX) {
                call_fail(call, DHT_E_BAD_KEY, "1 to %d letters at a time", MAILBOX_DELETES_MAX);
                return;
        }
        for (size_t i = 0; i < in->n_names; i++) {
                if (in->names[i].len != sizeof(slots[i])) {
                        call_fail(call, DHT_E_BAD_KEY, "a letter is named by 32 bytes");
                        return;
                }
                memcpy(slots[i], in->names[i].data, sizeof(slots[i]));
        }
        keeper_forget(s->keeper, slots, in->n_names,
                      &(struct keeper_call){ .done = end_empty, .userdata = gather(s, call, 0) },
                      shell_now(s));
        shell_turn(s);
}

const Dht__Records_Service dht_records_service = DHT__RECORDS__INIT(records_);

/* ---- Life ---- */

int shell_serve_records(struct shell *s) {
        int r;

        s->records = (struct records_service){ dht_records_service, s };
        s->records_rpc = rpc_server_new(s->loop, &s->records.base.base, RPC_EFFECTS);
        r = bus_serve(s->ctx, "dht/records", s->records_rpc, NULL, &s->records_bus);
        return r ? log_fault(r, "cannot serve dht/records") : 0;
}

void shell_serve_records_stop(struct shell *s) {
        LIST_FOREACH_SAFE (it, &s->gatherings) {
                struct gathering *g = LIST_ENTRY(it, struct gathering, link);

                call_fail(g->call, RPC_E_GONE, "dht is stopping");
                gathering_free(g);
        }
        s->records_bus = bus_server_free(s->records_bus);
        s->records_rpc = rpc_server_free(s->records_rpc);
}
