#include "services/ctl/peers_topic.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/canonical/record.h"
#include "services/ctl/discovery.h"
#include "services/ctl/json.h"
#include "services/ctl/peer_list.h"
#include "services/ctl/people.h"
#include "services/ctl/table.h"
#include "services/ctl/topic_names.h"

#define HEARD_MAX 200 /* presences; a reply of the bus has bounded fields */

static const struct table_column columns[] = {
        { "PEER" },
        { "SAID", .right = true },
        { "ADDRESS", .widest = 60 },
        {},
};

struct shown {
        const struct command_context *ctx;
        const struct peers_topic *what;
        struct table table;
        struct peer_list known;                 /* where those are that do not say it */
        struct unpacked replies[MEETING_HOURS]; /* what `peers` points into */
        ProtobufCBinaryData *peers;
        size_t n, asked, n_unknown;
};

static bool is_shown(const struct shown *s, ProtobufCBinaryData peer) {
        for (size_t i = 0; i < s->n; i++)
                if (bytes_equal(people_bytes(s->peers[i]), people_bytes(peer)))
                        return true;
        return false;
}

/* Members of a network say where they are; others say what they like. */
static ProtobufCBinaryData *addresses_of(const Dht__Record *r,
                                         struct multiaddr list[RECORD_ADDRESSES_MAX],
                                         ProtobufCBinaryData ret[RECORD_ADDRESSES_MAX],
                                         size_t *ret_n) {
        *ret_n = 0;
        if (!endpoint_payload_read(people_bytes(r->payload), list, ret_n))
                *ret_n = 0;
        for (size_t i = 0; i < *ret_n; i++)
                ret[i] = people_data(multiaddr_bytes(&list[i]));
        return ret;
}

static void ask_known(struct shown *s) {
        struct call_target to_links = discovery_links, to_gossip = discovery_candidates;
        Transport__ListRequest links = TRANSPORT__LIST_REQUEST__INIT;
        Gossip__PeersRequest heard = GOSSIP__PEERS_REQUEST__INIT;
        CLEANUP(unpacked_donep) struct unpacked linked = {};
        CLEANUP(unpacked_donep) struct unpacked told = {};
        char why[256];

        to_links.timeout = to_gossip.timeout = NSEC_PER_SEC; /* who was found is known already */
        links.known = true;
        heard.max = HEARD_MAX;
        if (ctl_try(s->ctx, &to_links, "List", &links, &linked, why) == 0)
                peer_list_add_links(&s->known, &linked);
        if (ctl_try(s->ctx, &to_gossip, "Peers", &heard, &told, why) == 0)
                peer_list_add_heard(&s->known, &told);
        peer_list_merge(&s->known);
}

/* As transport or gossip know it; NULL: neither does. */
static const char *known_address(const struct shown *s, ProtobufCBinaryData peer, char ret[1024]) {
        for (size_t i = 0; i < s->known.n_rows; i++) {
                const struct peer_row *r = &s->known.rows[i];

                if (!bytes_equal(peer_id_bytes(&r->peer), people_bytes(peer)))
                        continue;
                if (r->link && *r->link->address)
                        return text_escape(BYTES_STR(r->link->address), ret, 1024);
                if (r->presence && r->presence->n_addresses > 0)
                        return people_address(r->presence->addresses[0], ret);
        }
        return NULL;
}

static void show_json(const Dht__Record *r, const ProtobufCBinaryData *said, size_t n,
                      const char *known) {
        bool first = true;

        fputc('{', stdout);
        people_json_peer("peer", r->publisher, &first);
        if (r->own)
                json_member_bool(stdout, "own", true, &first);
        json_member_u64(stdout, "age_ms", r->age_ms, &first);
        if (n == 0 && known)
                people_json_texts("addresses", (char *const[]){ (char *) known }, 1, &first);
        else
                people_json_addresses("addresses", said, n, &first);
        people_json_bytes("payload", people_bytes(r->payload), &first);
        fputs("}\n", stdout);
}

static void show_one(struct shown *s, const Dht__Record *r) {
        char id[PEER_ID_TEXT_SIZE], shown[PEOPLE_SHORT_SIZE], age[PEOPLE_AGE_SIZE], text[1024];
        ProtobufCBinaryData addresses[RECORD_ADDRESSES_MAX];
        struct multiaddr list[RECORD_ADDRESSES_MAX];
        const char *known;
        size_t n;

        (void) addresses_of(r, list, addresses, &n);
        known = n > 0 ? people_address(addresses[0], text) : known_address(s, r->publisher, text);
        if (s->ctx->common.json) {
                show_json(r, addresses, n, known);
                return;
        }
        if (r->own)
                known = "this node";
        s->n_unknown += !known;
        table_cell(&s->table, "%s",
                   s->ctx->common.verbose ? people_peer(r->publisher, id)
                                          : people_short(r->publisher, shown));
        table_cell(&s->table, "%s", people_age(r->age_ms, age));
        table_cell(&s->table, "%s", known ? known : "-");
}

static void show_reply(struct shown *s, const Dht__GetReply *m) {
        if (s->asked < m->asked) /* the same ones, more or less, under each name */
                s->asked = m->asked;
        s->peers = xrealloc(s->peers, (s->n + m->n_records + 1) * sizeof(*s->peers));
        for (size_t i = 0; i < m->n_records && s->n < s->what->max_peers; i++) {
                if (is_shown(s, m->records[i]->publisher))
                        continue;
                s->peers[s->n++] = m->records[i]->publisher;
                show_one(s, m->records[i]);
        }
}

/* All names at the same time. */
static int ask_names(struct shown *s, const struct topic_names *names) {
        struct call_target target = discovery_within(&discovery_records, s->what->timeout);
        char texts[MEETING_HOURS][TOPIC_NAME_MAX + 16];
        struct ctl_question questions[MEETING_HOURS];
        Dht__GetRequest requests[MEETING_HOURS];

        for (size_t i = 0; i < names->n; i++) {
                (void) snprintf(texts[i], sizeof(texts[i]), "/topic/%s", names->list[i]);
                requests[i] = (Dht__GetRequest) DHT__GET_REQUEST__INIT;
                requests[i].name = people_data(BYTES_STR(texts[i]));
                requests[i].timeout_ms = discovery_ms(s->what->timeout);
                questions[i] =
                        (struct ctl_question){ &target, "FindTopic", &requests[i], &s->replies[i] };
        }
        ctl_try_all(s->ctx, questions, names->n);
        for (size_t i = 0; i < names->n; i++)
                if (!s->replies[i].message)
                        return complain(s->ctx, EXIT_OTHER, "%s", questions[i].why);
        return EXIT_OK;
}

int peers_topic_show(const struct command_context *ctx, const struct peers_topic *what) {
        struct shown s = { .ctx = ctx, .what = what };
        struct topic_names names;
        int code = topic_names_of(ctx, "peers", what->topic, what->secret_file, &names);

        if (code)
                return code;
        table_init(&s.table, columns);
        code = ask_names(&s, &names);
        if (code == EXIT_OK)
                ask_known(&s);
        for (size_t i = 0; i < names.n && code == EXIT_OK; i++)
                show_reply(&s, s.replies[i].message);
        table_show(ctx, &s.table);
        if (code == EXIT_OK && s.n == 0 && !ctx->common.json)
                printf("nobody says so; %zu peers were asked\n", s.asked);
        if (s.n_unknown > 0)
                puts("of -, neither they nor this node say where they are; `quorate find PEER` "
                     "asks");
        for (size_t i = 0; i < names.n; i++)
                unpacked_done(&s.replies[i]);
        peer_list_done(&s.known);
        table_done(&s.table);
        free(s.peers);
        return code;
}
