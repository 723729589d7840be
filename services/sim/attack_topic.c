/* A topic that a thousand identities announce themselves under: do readers still hear of the
 * honest? */

#include "common/base/error.h"
#include "services/dht/record_messages.h"
#include "services/sim/attack_answers.h"
#include "services/sim/measure.h"

#define MINUTE     (60 * NSEC_PER_SEC)
#define IDENTITIES 1000
#define TOLD       40 /* nodes closest to the topic, each of which every identity is brought to */
#define SPAM_TIME  (5 * MINUTE)
#define READ_AFTER (8 * MINUTE)
#define TTL        (24 * 3600)
#define LABEL      BYTES_LIT("sales")

static struct bytes topic_name(struct buffer *b) {
        check(record_name_put(b, RECORD_TOPIC, &(struct peer_id){}, LABEL));
        return buffer_bytes(b);
}

/* ---- The honest ---- */

static void on_announced(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct announcer *w = userdata;

        w->is_out = r->code == KEEPER_OK;
}

/* a: which of them. */
static void on_announce(struct network *net, struct node *nobody, struct event *e) {
        struct announcer *w = &net->attack->announcers[e->a];
        struct node *n = network_any(net);

        while (n->is_attacker || net->now - n->born < MINUTE)
                n = network_any(net);
        w->key = n->contact.key;
        keeper_put(n->keeper,
                   &(struct keeper_record){ .kind = RECORD_TOPIC,
                                            .label = LABEL,
                                            .payload = BYTES_LIT("an honest offer"),
                                            .ttl_s = TTL },
                   &(struct keeper_call){ .done = on_announced, .userdata = w }, net->now);
        node_settle(n);
}

/* ---- Spam ---- */

/* The nodes closest to a key: an attacker knows where he has to go. */
static size_t nearest(const struct network *net, const struct key *key, struct node **ret) {
        size_t n = 0;

        for (uint32_t i = 0; i < net->n_slots; i++) {
                struct node *node = net->slots[i];
                size_t at = n;

                if (!node || !node->is_up || node->is_attacker || !node->is_serving)
                        continue;
                while (at > 0 &&
                       key_compare(key, &node->contact.key, &ret[at - 1]->contact.key) < 0)
                        at--;
                if (at == TOLD)
                        continue;
                n += n < TOLD;
                memmove(&ret[at + 1], &ret[at], (n - at - 1) * sizeof(struct node *));
                ret[at] = node;
        }
        return n;
}

static void make_record(struct network *net, struct buffer *b) {
        struct sign_secret secret = {};
        struct sign_public key;
        struct record_statement s = { .kind = RECORD_TOPIC,
                                      .network = BYTES_LIT("default"),
                                      .label = LABEL,
                                      .sequence = 1,
                                      .ttl_s = TTL,
                                      .payload = BYTES_LIT("spam") };
        struct signature signature;

        rng_bytes(&net->rng, key.bytes, sizeof(key.bytes));
        memcpy(secret.bytes + SIGN_SEED_SIZE, key.bytes, SIGN_PUBLIC_SIZE);
        s.publisher = peer_id_from_ed25519(&key);
        s.created_us = SIM_WALL_US + (int64_t) (net->now / NSEC_PER_USEC);
        check(record_encode(&s, b) == RECORD_OK);
        signature = keys_sign(&net->keys, &secret, BYTES_NONE, buffer_bytes(b));
        buffer_put_bytes(b, signature_bytes(&signature));
}

static void on_spam(struct network *net, struct node *nobody, struct event *e) {
        CLEANUP(buffer_donep) struct buffer record = {}, message = {};
        struct node *from = net->attack->nodes[e->a % net->attack->n], *to[TOLD];
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        struct refbuf *data;
        struct key key;
        size_t n;

        buffer_init(&record, RECORD_BYTES_MAX);
        buffer_init(&message, RECORD_MESSAGE_MAX);
        make_record(net, &record);
        record_put_store(&message, topic_name(&name), buffer_bytes(&record));
        key = key_of(buffer_bytes(&name));
        n = nearest(net, &key, to);
        data = refbuf_new(buffer_bytes(&message));
        for (size_t i = 0; i < n; i++)
                links_ask(net, from,
                          &(struct sim_ask){ .protocol = SIM_RECORD,
                                             .purpose = PURPOSE_USER,
                                             .wants_answer = true,
                                             .to = &to[i]->peer,
                                             .data = data });
        refbuf_unref(data);
}

/* ---- Readers ---- */

static void found(void *userdata, const struct stored_record *r, size_t n_copies) {
        struct reading *reading = userdata;

        reading->n_all++;
        for (unsigned i = 0; i < ANNOUNCERS; i++)
                reading->n_honest += memcmp(r->publisher, reading->attack->announcers[i].key.bytes,
                                            sizeof(r->publisher)) == 0;
}

static void read_it(void *userdata, const struct keeper_result *r, nsec_t now) {
        struct reading *reading = userdata;
        unsigned wanted = 0;

        for (unsigned i = 0; i < ANNOUNCERS; i++)
                wanted += reading->attack->announcers[i].is_out;
        measure_topic(reading->net, wanted, reading->n_honest, reading->n_all);
}

static void on_read(struct network *net, struct node *nobody, struct event *e) {
        struct reading *reading = &net->attack->readings[e->a];
        uint8_t room[RECORD_NAME_MAX];
        struct buffer name = buffer_over(room, sizeof(room));
        struct node *n = network_any(net);

        while (n->is_attacker || net->now - n->born < MINUTE)
                n = network_any(net);
        *reading = (struct reading){ .net = net, .attack = net->attack };
        keeper_find(n->keeper, topic_name(&name),
                    &(struct keeper_call){ .done = read_it, .found = found, .userdata = reading },
                    net->now);
        node_settle(n);
}

static void schedule(struct network *net, nsec_t from, nsec_t time, uint32_t n, event_fn fn) {
        for (uint32_t i = 0; i < n; i++)
                network_event(net, from + time * i / n, fn, NULL)->a = i;
}

void attack_spam(struct network *net) {
        schedule(net, net->now + NSEC_PER_SEC, SPAM_TIME, IDENTITIES, on_spam);
        schedule(net, net->now + NSEC_PER_SEC, SPAM_TIME, ANNOUNCERS, on_announce);
        schedule(net, net->now + READ_AFTER, 2 * MINUTE, READINGS, on_read);
}
