/* What a node does by itself, thriftily. A request over a connection that exists costs
 * about 2 KB (20 contacts back), with a handshake about 7 KB, and each is paid twice:
 * by who asks and by who answers.
 *
 * At 1,000 nodes with sessions of 30 minutes a table has about 130 entries, of which
 * 0.07 a second go away. Probes: of full buckets every 15 to 30 min, of others from 5 on,
 * about 4 a minute of the living: 0.5 KB/s; 7 a minute are in vain, half of them to be
 * sure: 0.4 KB/s. Joining, once in 30 min: four lookups (28 requests each) and about
 * three fills (12 each): 150 requests, 0.6 KB/s. Our neighbourhood again every 15 min: 0.2
 * KB/s. Together 1.7 KB/s out and as much for others: 3.3 KiB/s, as
 * tests/sim/scenario_kad.c measures it. Nothing keeps connections alive: they
 * idle out. */
#include "common/base/memory.h"
#include "services/dht/internal.h"

#define TICK            (5 * NSEC_PER_SEC)
#define PROBES_PER_TICK 2
#define TOLD_PER_PROBE  3 /* contacts of an answer that are verified */
#define SELF_PAUSE_MIN  (15 * 60 * NSEC_PER_SEC)
#define SELF_PAUSE_MAX  (40 * 60 * NSEC_PER_SEC)
#define FIRST_SAMPLES   3
#define SAMPLE_PAUSE    (30 * 60 * NSEC_PER_SEC)
#define GROWTH_MIN      (60 * NSEC_PER_SEC) /* from one look at whether we are more to the next … */
#define GROWTH          1.5
#define GROWTH_MAX      SAMPLE_PAUSE /* … twice as long each time it was so */
#define SAVE_PAUSE      (60 * NSEC_PER_SEC)
#define RULES_PAUSE     (30 * NSEC_PER_SEC)
#define EXPIRE_ROWS     256
#define FEW_PEERS       4 /* below it, places to begin with are dialled again */
#define BLOCKED         "this node blocks it (`quorate blocklist`)"
#define STATE_PEERS     "peers"
#define STATE_SEEN      "seen"

static const nsec_t futile_pauses[] = { 30 * NSEC_PER_SEC, 120 * NSEC_PER_SEC, 600 * NSEC_PER_SEC,
                                        900 * NSEC_PER_SEC };

static nsec_t soon(struct dht *d, nsec_t pause) {
        return nsec_add(d->now, pause - pause / 8 + rng_below(&d->rng, pause / 4 + 1));
}

/* ---- Memory ---- */

void maintain_save(struct dht *d) {
        struct buffer b;

        if (!d->store.ops)
                return;
        peerstore_update(&d->peerstore, &d->table);
        buffer_init(&b, PEERSTORE_STATE_MAX);
        peerstore_pack(&d->peerstore, &b);
        if (!b.failed)
                (void) d->store.ops->state_put(d->store.self, STATE_PEERS, buffer_bytes(&b));
        buffer_clear(&b);
        seen_pack(&d->seen, &b);
        if (!b.failed)
                (void) d->store.ops->state_put(d->store.self, STATE_SEEN, buffer_bytes(&b));
        buffer_done(&b);
}

static struct refbuf *state_of(struct dht *d, const char *name) {
        struct refbuf *state = NULL;

        if (!d->store.ops || d->store.ops->state_get(d->store.self, name, &state))
                return NULL;
        return state;
}

static void load(struct dht *d) {
        CLEANUP(refbuf_unrefp) struct refbuf *peers = state_of(d, STATE_PEERS);
        CLEANUP(refbuf_unrefp) struct refbuf *seen = state_of(d, STATE_SEEN);
        struct reader r;

        if (peers) {
                r = reader_of(refbuf_bytes(peers));
                if (!peerstore_unpack(&d->peerstore, &r))
                        dht_event(d, "state", "the stored peers are damaged; some are forgotten",
                                  0);
        }
        if (seen) {
                r = reader_of(refbuf_bytes(seen));
                if (!seen_unpack(&d->seen, &r))
                        dht_event(d, "state", "the stored counts of peers are damaged", 0);
        }
        for (size_t i = 0; i < d->peerstore.n; i++)
                (void) bootstrap_add(&d->bootstrap, &d->peerstore.peers[i].contact,
                                     BOOTSTRAP_MEMORY, d->now);
}

void maintain_start(struct dht *d, nsec_t now) {
        peers_load_denied(d);
        load(d);
        d->is_started = true;
        d->tick_at = now;
        d->self_pause = SELF_PAUSE_MIN;
        d->self_at = NSEC_NEVER;
        d->save_at = soon(d, SAVE_PAUSE);
        d->sample_at = now;
        d->growth_pause = GROWTH_MIN;
        d->growth_at = soon(d, GROWTH_MIN);
        d->maintain_at = now;
}

static struct refbuf *find_self(const struct dht *d) {
        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = peer_id_bytes(&d->self) };

        return kad_message_new(&parts);
}

/* ---- Joining ---- */

static void on_joined(struct dht *d, struct ask *a, const struct kad_message *answer,
                      const struct bytes *message, nsec_t now) {
        (void) message;
        bootstrap_told(&d->bootstrap, &a->contact,
                       answer ? NULL
                              : "somebody is there, but does not answer as a node of this network: "
                                "compare [network] name and secret-file");
        for (size_t i = 0; answer && i < answer->n_closer; i++)
                peer_verify(d, &answer->closer[i], now); /* as many as its rate allows */
}

/* message: the id of who is there; what was dialled may have named nobody. */
static void on_connected(struct dht *d, struct ask *a, const struct kad_message *answer,
                         const struct bytes *message, nsec_t now) {
        CLEANUP(refbuf_unrefp) struct refbuf *request = NULL;
        CLEANUP(contact_donep) struct contact there = contact_ref(&a->contact);

        (void) answer;
        bootstrap_ended(&d->bootstrap, &a->contact, message != NULL, now);
        if (!message || !peer_id_parse(*message, &there.peer))
                return;
        there.key = key_of_peer(&there.peer);
        bootstrap_learnt(&d->bootstrap, &a->contact, &there);
        if (key_equal(&there.key, &d->self_key))
                bootstrap_told(&d->bootstrap, &a->contact, "that is this node itself");
        else if (peer_is_denied(d, &there.key))
                bootstrap_told(&d->bootstrap, &a->contact, BLOCKED);
        if (key_equal(&there.key, &d->self_key) || peer_is_denied(d, &there.key))
                return;
        request = find_self(d);
        ask_send(d, &there, DHT_PROTOCOL_KAD, request, true)->done = on_joined;
}

static void begin_with(struct dht *d) {
        struct bootstrap_entry *e;

        while ((e = bootstrap_next(&d->bootstrap, d->now, d->table.n_entries < FEW_PEERS))) {
                bootstrap_begins(&d->bootstrap, e);
                if (table_find(&d->table, &e->contact.key) || peer_is_denied(d, &e->contact.key)) {
                        bootstrap_told(&d->bootstrap, &e->contact,
                                       peer_is_denied(d, &e->contact.key) ? BLOCKED : NULL);
                        bootstrap_ended(&d->bootstrap, &e->contact, true, d->now);
                        continue;
                }
                ask_connect(d, &e->contact)->done = on_connected;
        }
}

void maintain_joined(struct dht *d, nsec_t now) {
        d->is_bootstrapped = true;
        d->self_at = now;
        d->tick_at = now;
        dht_event(d, "joined", "a first peer answers", 0);
}

/* ---- Lookups of our own ---- */

static bool is_looking(const struct dht *d) {
        LIST_FOREACH (link, &d->operations)
                if (LIST_ENTRY(link, struct operation, link)->kind >= OPERATION_SELF)
                        return true;
        return false;
}

static void look_at_self(struct dht *d) {
        struct operation *o = operation_new(d, OPERATION_SELF, &d->self_key, d->now);

        d->self_at = NSEC_NEVER;
        o->request = find_self(d);
        operation_begin(d, o, d->now);
}

static void look_into(struct dht *d, enum operation_kind kind, unsigned bucket) {
        struct key target;
        struct refbuf *request = ask_find_point(d, &target, bucket);
        struct operation *o = operation_new(d, kind, &target, d->now);

        o->request = request;
        o->bucket = bucket;
        o->max = d->table.buckets[bucket].n_entries;
        d->table.buckets[bucket].fill_at = NSEC_NEVER;
        operation_begin(d, o, d->now);
}

static unsigned deepest(const struct dht *d) {
        unsigned bucket = TABLE_BUCKETS - 1;

        while (bucket > 0 && d->table.buckets[bucket].n_entries == 0)
                bucket--;
        return bucket;
}

/* Not only our neighbours: every distance needs somebody. As many as half of those that
 * should be there, at most half a bucket. */
static void fill_one(struct dht *d) {
        double expected = estimate_get(&d->estimate).size / 2;
        unsigned last = deepest(d);

        for (unsigned i = 0; i <= last; i++, expected /= 2) {
                const struct table_bucket *b = &d->table.buckets[i];
                double wanted = expected < d->config.k ? expected / 2 : d->config.k / 2.0;

                if (b->n_entries + 1 > wanted || b->fill_at > d->now)
                        continue;
                look_into(d, OPERATION_FILL, i);
                return;
        }
}

/* Points are drawn whether or not anybody is missing there: buckets that need filling are
 * emptier than others, and would make the network look smaller. The first ones, which
 * fill the far buckets as well, come at once. */
static void sample(struct dht *d) {
        unsigned bucket = d->n_samples;

        if (d->n_samples >= FIRST_SAMPLES)
                bucket = (unsigned) __builtin_clzll(rng_u64(&d->rng) | 1ULL << 48);
        d->n_samples++;
        d->sample_at = d->n_samples < FIRST_SAMPLES ? d->now : soon(d, SAMPLE_PAUSE);
        look_into(d, OPERATION_SAMPLE, bucket);
}

/* Who comes asks its neighbours, so these know of a network that grows long before they draw the
 * next point. Ids planted around us look the same: they cost four look-ups now and then. */
static void look_for_growth(struct dht *d) {
        const struct table_entry *near[TABLE_CLOSEST];
        struct estimate_value size = estimate_get(&d->estimate);
        unsigned k = d->config.k;
        double seen;

        if (d->growth_at > d->now)
                return;
        d->growth_at = soon(d, d->growth_pause);
        if (size.size <= 0 || table_closest(&d->table, &d->self_key, NULL, near, k) < k)
                return;
        seen = (k - 1) / key_distance(&d->self_key, &near[k - 1]->contact.key) + 1;
        if (seen <= size.high || seen <= GROWTH * d->size_then)
                return;
        d->growth_pause = nsec_min(2 * d->growth_pause, GROWTH_MAX);
        d->growth_at = soon(d, d->growth_pause);
        d->self_at = d->now;
        d->sample_at = d->now;
        d->n_samples = d->n_learnt = 0;
        d->is_renewing = true;
        dht_count(d, COUNT_GROWTHS);
}

static uint64_t fingerprint(struct candidate *const *set, size_t n) {
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += load_be64(set[i]->contact.key.bytes + 8);
        return sum;
}

static void learn_size(struct dht *d, struct operation *o, struct candidate *const *set, size_t n) {
        unsigned k = o->lookup->config.k;
        bool is_all = n < k && d->table.n_entries < k;

        if (n == 0 || (n < k && !is_all) || o->kind == OPERATION_FILL)
                return;
        if (o->kind == OPERATION_SELF) {
                estimate_own(&d->estimate, set[n - 1]->distance, (unsigned) n, is_all);
                return;
        }
        estimate_add(&d->estimate, set[n - 1]->distance, (unsigned) n, is_all);
        d->n_learnt++;
}

/* The first ones are looked at. A renewal of which one told nothing changes nothing, and the next
 * look for growth begins another. */
static void end_first_samples(struct dht *d) {
        bool is_whole = d->n_learnt >= FIRST_SAMPLES;

        if (is_whole || !d->is_renewing)
                d->size_then = d->estimate.own.size;
        if (is_whole && d->is_renewing)
                (void) estimate_renew(&d->estimate, FIRST_SAMPLES);
        d->is_renewing = false;
}

void maintain_looked(struct dht *d, struct operation *o, nsec_t now) {
        struct table_bucket *b = &d->table.buckets[o->bucket];
        struct candidate *set[LOOKUP_REGION_MAX];
        size_t n = lookup_result(o->lookup, set, LOOKUP_REGION_MAX);
        bool is_same;

        learn_size(d, o, set, n);
        if (o->kind == OPERATION_SAMPLE && d->n_samples == FIRST_SAMPLES)
                end_first_samples(d);
        if (o->kind != OPERATION_SELF) {
                b->n_futile = b->n_entries > o->max ? 0 : b->n_futile + 1;
                b->fill_at = soon(d, futile_pauses[b->n_futile < 3 ? b->n_futile : 3]);
                b->refreshed = now;
                if (o->kind == OPERATION_SAMPLE && estimate_own_is_sparse(&d->estimate))
                        d->self_at = now; /* we looked before we knew what to look for */
                return;
        }
        is_same = fingerprint(set, n) == d->self_neighbours;
        d->self_neighbours = fingerprint(set, n);
        d->self_pause = is_same ? 2 * d->self_pause : d->self_pause / 2;
        d->self_pause = nsec_min(nsec_max(d->self_pause, SELF_PAUSE_MIN), SELF_PAUSE_MAX);
        d->self_at = soon(d, d->self_pause);
}

/* ---- Probes and refreshing: one request each ---- */

static void learn_from(struct dht *d, const struct kad_message *answer) {
        unsigned n = 0;

        for (size_t i = 0; answer && i < answer->n_closer && n < TOLD_PER_PROBE; i++) {
                const struct key *key = &answer->closer[i].key;

                if (table_find(&d->table, key) || !table_has_room(&d->table, key))
                        continue;
                peer_verify(d, &answer->closer[i], d->now);
                n++;
        }
}

static void on_probed(struct dht *d, struct ask *a, const struct kad_message *answer,
                      const struct bytes *message, nsec_t now) {
        struct table_entry *e = table_find(&d->table, &a->contact.key);

        (void) message, (void) now;
        if (e)
                table_probe_ends(&d->table, e);
        learn_from(d, answer);
}

/* The id of some peer in that bucket: its hash lies there, which others understand too. */
static struct refbuf *find_near(struct dht *d, unsigned bucket) {
        const struct table_bucket *b = &d->table.buckets[bucket];
        const struct table_entry *e = b->slots[rng_below(&d->rng, b->n_entries)].entry;
        struct kad_parts parts = { .type = KAD_FIND_NODE, .key = peer_id_bytes(&e->contact.peer) };

        return kad_message_new(&parts);
}

/* Neighbours are asked for our neighbourhood, others for the bucket that needs it most. */
static struct refbuf *probe_message(struct dht *d, const struct table_entry *e) {
        const struct table_entry *near[TABLE_CLOSEST];
        size_t n = table_closest(&d->table, &d->self_key, NULL, near, d->config.k);
        unsigned bucket = e->bucket, last = deepest(d);

        if (n < d->config.k ||
            key_compare(&d->self_key, &e->contact.key, &near[n - 1]->contact.key) <= 0)
                return find_self(d);
        for (unsigned i = 0; i < last; i++) {
                const struct table_bucket *b = &d->table.buckets[i];

                if (b->n_entries > 0 && b->n_entries < d->config.k &&
                    b->refreshed < d->table.buckets[bucket].refreshed)
                        bucket = i;
        }
        d->table.buckets[bucket].refreshed = d->now;
        return find_near(d, bucket);
}

static void probe(struct dht *d, struct table_entry *e) {
        CLEANUP(refbuf_unrefp) struct refbuf *message = probe_message(d, e);

        table_probe_begins(&d->table, e);
        ask_send(d, &e->contact, DHT_PROTOCOL_KAD, message, true)->done = on_probed;
        dht_count(d, COUNT_PROBES);
}

static struct table_entry *freshest_in(const struct table_bucket *b) {
        struct table_entry *freshest = NULL;

        for (unsigned i = 0; i < b->n_entries; i++) {
                struct table_entry *e = b->slots[i].entry;

                if (!e->is_probing && (!freshest || e->answered > freshest->answered))
                        freshest = e;
        }
        return freshest;
}

/* A bucket nobody looked into for long: somebody of it is asked for a point in it. A full
 * one can wait three times as long, since its entries are probed anyway. */
static void refresh_one(struct dht *d) {
        unsigned last = deepest(d);

        for (unsigned i = 0; i <= last; i++) {
                struct table_bucket *b = &d->table.buckets[i];
                nsec_t pause = d->config.refresh * (b->n_entries >= d->config.k ? 3 : 1);
                struct table_entry *e;

                if (nsec_sub(d->now, b->refreshed) < pause)
                        continue;
                e = freshest_in(b);
                b->refreshed = d->now;
                if (!e)
                        continue;
                probe(d, e);
                return;
        }
}

/* ---- The tick ---- */

void maintain_mode(struct dht *d) {
        bool is_server = mode_is_server(&d->mode, d->now, &d->mode_reason);

        if (is_server == d->is_server)
                return;
        d->is_server = is_server;
        dht_act(d, DHT_SERVE, 0)->n = is_server;
        dht_event(d, "mode", d->mode_reason, is_server);
}

static void look_around(struct dht *d) {
        struct table_entry *e;

        look_for_growth(d);
        if (!is_looking(d) && d->table.n_entries > 0) {
                if (d->self_at <= d->now)
                        look_at_self(d);
                else if (d->sample_at <= d->now && d->self_neighbours)
                        sample(d);
                else if (d->self_neighbours)
                        fill_one(d);
        }
        if (!d->config.without_turns)
                (void) table_turn(&d->table, rng_u64(&d->rng), d->now);
        for (unsigned i = 0; i < PROBES_PER_TICK; i++) {
                e = table_next_probe(&d->table, d->now);
                if (e)
                        probe(d, e);
        }
        refresh_one(d);
}

static void keep_house(struct dht *d) {
        if (d->save_at <= d->now) {
                d->save_at = soon(d, SAVE_PAUSE);
                maintain_save(d);
                if (d->store.ops)
                        (void) d->store.ops->expire(d->store.self, dht_wall_us(d, d->now),
                                                    EXPIRE_ROWS);
        }
        if (d->rules && d->rules->maintain && d->is_bootstrapped && d->maintain_at <= d->now) {
                d->maintain_at = soon(d, RULES_PAUSE);
                d->rules->maintain(d->rules_userdata, d->now);
        }
}

void maintain_tick(struct dht *d, nsec_t now) {
        d->tick_at = soon(d, TICK);
        maintain_mode(d);
        begin_with(d);
        if (d->table.n_entries == 0 && d->is_bootstrapped && !health_has_outage(&d->health, now)) {
                d->is_bootstrapped = false; /* all are gone: begin anew */
                bootstrap_forgive(&d->bootstrap, now);
        }
        if (!d->config.is_passive) {
                peers_verify_rest(d, now);
                look_around(d);
        }
        keep_house(d);
}

void dht_network_changed(struct dht *d, nsec_t now) {
        d->now = now;
        health_forgive(&d->health);
        bootstrap_forgive(&d->bootstrap, now);
        d->self_at = now;
        if (d->is_started)
                d->tick_at = now;
}

void dht_bootstrap(struct dht *d, const struct contact *c, enum bootstrap_source source,
                   nsec_t now) {
        d->now = now;
        if (!peer_id_is_none(&c->peer) && key_equal(&c->key, &d->self_key))
                return;
        if (!bootstrap_add(&d->bootstrap, c, source, now))
                dht_event(d, "bootstrap", "too many entries; one is left out", BOOTSTRAP_MAX);
        if (d->is_started)
                d->tick_at = now;
}
