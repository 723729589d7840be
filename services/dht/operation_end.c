/* What becomes of a lookup: results to its caller, values to their nodes. */
#include "common/base/memory.h"
#include "services/dht/internal.h"

static struct dht_result *result_new(struct dht *d, struct operation *o) {
        struct dht_result *r = xnew(struct dht_result);

        dht_act(d, DHT_RESULT, o->call)->result = r;
        o->n_results++;
        return r;
}

static void end_call(struct dht *d, struct operation *o, enum dht_code code) {
        struct dht_action *a = dht_act(d, DHT_DONE, o->call);
        struct candidate *nearest;

        a->n = code;
        if (code == DHT_E_REFUSED)
                a->event.text = "its publisher is on the deny list";
        a->copies = o->n_copies;
        a->asked = o->n_stores > 0 ? (unsigned) o->n_stores : o->lookup->n_answered;
        if (lookup_result(o->lookup, &nearest, 1) == 1)
                a->hops = nearest->hops;
}

void operation_done(struct dht *d, struct operation *o, enum dht_code code, nsec_t now) {
        o->is_done = true;
        if (o->call)
                end_call(d, o, code);
        if (o->located)
                o->located(o->userdata, NULL, 0, now);
        if (o->stored)
                o->stored(o->userdata, o->n_copies, now);
        o->located = NULL;
        o->stored = NULL;
}

/* ---- While it goes on ---- */

/* Where a new value goes; when there are too many the worst of those it beats gives way, or old
 * ones, replayed by the nearest, would hide the newest. FOUND_VALUES_MAX: nowhere. */
static size_t place_of(struct dht *d, const struct operation *o, struct bytes value) {
        struct bytes name = refbuf_bytes(o->name);
        size_t worst = FOUND_VALUES_MAX;

        if (o->n_values < FOUND_VALUES_MAX)
                return o->n_values;
        for (size_t i = 0; i < o->n_values; i++) {
                struct bytes held = refbuf_bytes(o->values[i].value);

                if (d->rules->select(d->rules_userdata, name, held, value) > 0 &&
                    (worst == FOUND_VALUES_MAX ||
                     d->rules->select(d->rules_userdata, name, refbuf_bytes(o->values[worst].value),
                                      held) < 0))
                        worst = i;
        }
        return worst;
}

/* Who gave it is one of those that have something older from now on. */
static void forget_value(struct operation *o, size_t i) {
        refbuf_unref(o->values[i].value);
        for (size_t j = 0; j < o->lookup->n_candidates; j++)
                if (o->lookup->candidates[j]->mark == i + 1)
                        o->lookup->candidates[j]->mark = 0;
}

static void count_value(struct dht *d, struct operation *o, struct candidate *c, struct bytes value,
                        const struct stored_record *record) {
        size_t i = 0;

        while (i < o->n_values && !bytes_equal(refbuf_bytes(o->values[i].value), value))
                i++;
        if (i == o->n_values) {
                i = place_of(d, o, value);
                if (i == FOUND_VALUES_MAX)
                        return;
                if (i < o->n_values)
                        forget_value(o, i);
                else
                        o->n_values++;
                o->values[i] = (struct found_value){ .value = refbuf_new(value),
                                                     .sequence = record->sequence };
        }
        if (!c)
                return;
        o->values[i].copies++;
        c->mark = (uint8_t) (i + 1);
}

static void heard_value(struct dht *d, struct operation *o, struct candidate *c,
                        const struct kad_message *answer, nsec_t now) {
        struct stored_record record = {};
        struct bytes name = refbuf_bytes(o->name);

        if (!answer->has_record || !d->rules || !bytes_equal(answer->record_key, name))
                return;
        if (d->rules->validate(d->rules_userdata, name, answer->value, dht_wall_us(d, now),
                               &record)) {
                dht_count(d, COUNT_ANSWERS_INVALID);
                return;
        }
        count_value(d, o, c, answer->value, &record);
}

/* Where a new one goes; when there are too many the last one named gives way. FOUND_PROVIDERS_MAX:
 * nowhere. */
static size_t place_of_provider(struct operation *o, uint8_t turn) {
        size_t last = 0;

        if (o->n_told < FOUND_PROVIDERS_MAX)
                return o->n_told++;
        for (size_t i = 1; i < o->n_told; i++)
                if (o->told[i].turn > o->told[last].turn)
                        last = i;
        if (o->told[last].turn <= turn)
                return FOUND_PROVIDERS_MAX;
        (void) map_remove(o->providers, key_bytes(&o->told[last].contact.key));
        contact_done(&o->told[last].contact);
        return last;
}

static void heard_providers(struct dht *d, struct operation *o, const struct contact *list,
                            size_t n) {
        for (uint8_t turn = 0; turn < n; turn++) {
                struct bytes id = key_bytes(&list[turn].key);
                size_t at = (uintptr_t) map_get(o->providers, id);

                if (at > 0 && o->told[at - 1].turn > turn)
                        o->told[at - 1].turn = turn;
                if (at > 0 || peer_is_denied(d, &list[turn].key))
                        continue;
                at = place_of_provider(o, turn);
                if (at == FOUND_PROVIDERS_MAX)
                        continue;
                o->told[at] = (struct told_provider){ contact_ref(&list[turn]), turn };
                (void) map_set(o->providers, id, (void *) (at + 1));
        }
}

void operation_add_providers(struct dht *d, struct operation *o) {
        struct contact known[KAD_PEERS_MAX];
        struct serve s;
        size_t n;

        serve_for(d, &s, d->now);
        n = serve_providers(&s, &d->self_key, refbuf_bytes(o->name), known);
        heard_providers(d, o, known, n);
        for (size_t i = 0; i < n; i++)
                contact_done(&known[i]);
}

void operation_heard(struct dht *d, struct operation *o, struct candidate *c,
                     const struct kad_message *answer, nsec_t now) {
        if (o->kind == OPERATION_GET)
                heard_value(d, o, c, answer, now);
        else if (o->kind == OPERATION_PROVIDERS && !c->mark) /* once each, at an edge or not */
                heard_providers(d, o, answer->providers, answer->n_providers);
        if (o->kind == OPERATION_PROVIDERS)
                c->mark = 1;
        if (o->kind == OPERATION_PEER && key_equal(&c->contact.key, &o->lookup->target)) {
                result_new(d, o)->contact = contact_ref(&c->contact);
                operation_done(d, o, DHT_OK, now);
        }
}

/* ---- At the end, one function per kind ---- */

static void found_closest(struct dht *d, struct operation *o, nsec_t now) {
        struct candidate *set[LOOKUP_REGION_MAX];
        size_t n = lookup_result(o->lookup, set, LOOKUP_REGION_MAX);

        for (size_t i = 0; i < n; i++)
                result_new(d, o)->contact = contact_ref(&set[i]->contact);
        operation_done(d, o, n > 0 ? DHT_OK : DHT_E_NO_PEERS, now);
}

static void found_peer(struct dht *d, struct operation *o, nsec_t now) {
        struct candidate *c = lookup_find(o->lookup, &o->lookup->target);

        if (c) {
                struct dht_result *r = result_new(d, o);

                r->contact = contact_ref(&c->contact);
                r->is_unverified = true;
        }
        operation_done(d, o, c ? DHT_OK : o->has_nobody ? DHT_E_NO_PEERS : DHT_E_NOT_FOUND, now);
}

static struct refbuf *put_message(struct bytes name, struct bytes value) {
        struct kad_parts parts = { .type = KAD_PUT_VALUE,
                                   .key = name,
                                   .has_record = true,
                                   .record_key = name,
                                   .value = value };

        return kad_message_new(&parts);
}

static void store_everywhere(struct dht *d, struct operation *o, struct refbuf *message,
                             bool wants_answer) {
        struct candidate *set[LOOKUP_REGION_MAX];
        size_t n = message ? lookup_result(o->lookup, set, LOOKUP_REGION_MAX) : 0;

        for (size_t i = 0; i < n; i++)
                operation_store(d, o, &set[i]->contact, message, wants_answer);
        refbuf_unref(message);
}

static void found_put(struct dht *d, struct operation *o, nsec_t now) {
        (void) now;
        store_everywhere(d, o, put_message(refbuf_bytes(o->name), refbuf_bytes(o->value)), true);
}

static void found_provide(struct dht *d, struct operation *o, nsec_t now) {
        struct kad_parts parts = { .type = KAD_ADD_PROVIDER,
                                   .key = refbuf_bytes(o->name),
                                   .providers = &d->own,
                                   .n_providers = 1 };

        (void) now;
        store_everywhere(d, o, kad_message_new(&parts), false);
}

/* The first of each teller, then the second of each: who names many crowds out nobody. */
static void found_providers(struct dht *d, struct operation *o, nsec_t now) {
        for (uint8_t turn = 0; turn < KAD_PEERS_MAX; turn++)
                for (size_t i = 0; i < o->n_told && o->n_results < o->max; i++)
                        if (o->told[i].turn == turn && !peer_is_denied(d, &o->told[i].contact.key))
                                result_new(d, o)->contact = contact_ref(&o->told[i].contact);
        operation_done(d, o,
                       o->n_results > 0 ? DHT_OK
                       : o->has_nobody  ? DHT_E_NO_PEERS
                                        : DHT_E_NOT_FOUND,
                       now);
}

static size_t best_value(struct dht *d, struct operation *o) {
        size_t best = 0;

        for (size_t i = 1; i < o->n_values; i++)
                if (d->rules->select(d->rules_userdata, refbuf_bytes(o->name),
                                     refbuf_bytes(o->values[best].value),
                                     refbuf_bytes(o->values[i].value)) > 0)
                        best = i;
        return best;
}

/* Read repair: the k closest that had nothing, or something older. */
static void repair(struct dht *d, struct operation *o, size_t best) {
        CLEANUP(refbuf_unrefp) struct refbuf *message = NULL;
        struct candidate *set[LOOKUP_REGION_MAX];
        size_t n = lookup_result(o->lookup, set, d->config.k);

        message = put_message(refbuf_bytes(o->name), refbuf_bytes(o->values[best].value));
        for (size_t i = 0; i < n && message; i++) {
                if (set[i]->mark == best + 1)
                        continue;
                ask_send(d, &set[i]->contact, DHT_PROTOCOL_KAD, message, true)->is_store = true;
                operation_account(d, o);
                dht_count(d, COUNT_REPAIRED);
        }
}

static void add_own_value(struct dht *d, struct operation *o, nsec_t now) {
        CLEANUP(refbuf_unrefp) struct refbuf *value = NULL;
        struct stored_record record = {};
        struct serve s;
        int64_t us;

        serve_for(d, &s, now);
        if (serve_best(&s, refbuf_bytes(o->name), &value, &us) &&
            !d->rules->validate(d->rules_userdata, refbuf_bytes(o->name), refbuf_bytes(value),
                                dht_wall_us(d, now), &record))
                count_value(d, o, NULL, refbuf_bytes(value), &record);
}

/* What kad carries under one name is of one publisher. */
static bool is_denied(struct dht *d, const struct operation *o, size_t i, nsec_t now) {
        struct stored_record record = {};

        return !d->rules->validate(d->rules_userdata, refbuf_bytes(o->name),
                                   refbuf_bytes(o->values[i].value), dht_wall_us(d, now),
                                   &record) &&
               dht_denies(d, &record);
}

static void found_get(struct dht *d, struct operation *o, nsec_t now) {
        struct dht_result *r;
        size_t best;

        if (d->rules)
                add_own_value(d, o, now);
        if (o->n_values == 0) {
                operation_done(d, o, o->has_nobody ? DHT_E_NO_PEERS : DHT_E_NOT_FOUND, now);
                return;
        }
        best = best_value(d, o);
        if (is_denied(d, o, best, now)) {
                operation_done(d, o, DHT_E_REFUSED, now);
                return;
        }
        r = result_new(d, o);
        r->name = refbuf_ref(o->name);
        r->value = refbuf_ref(o->values[best].value);
        r->sequence = o->values[best].sequence;
        r->copies = o->values[best].copies;
        repair(d, o, best);
        operation_done(d, o, DHT_OK, now);
}

static void found_located(struct dht *d, struct operation *o, nsec_t now) {
        struct candidate *set[LOOKUP_REGION_MAX];
        struct contact views[LOOKUP_REGION_MAX];
        size_t n = lookup_result(o->lookup, set, LOOKUP_REGION_MAX);
        dht_located_fn fn = o->located;

        for (size_t i = 0; i < n; i++)
                views[i] = set[i]->contact;
        o->located = NULL;
        fn(o->userdata, views, n, now);
        operation_done(d, o, DHT_OK, now);
}

static void found_maintained(struct dht *d, struct operation *o, nsec_t now) {
        maintain_looked(d, o, now);
        operation_done(d, o, DHT_OK, now);
}

void operation_found(struct dht *d, struct operation *o, nsec_t now) {
        static void (*const ends[_OPERATION_N])(struct dht *, struct operation *, nsec_t) = {
                [OPERATION_CLOSEST] = found_closest, [OPERATION_PEER] = found_peer,
                [OPERATION_PUT] = found_put,         [OPERATION_GET] = found_get,
                [OPERATION_PROVIDE] = found_provide, [OPERATION_PROVIDERS] = found_providers,
                [OPERATION_LOCATE] = found_located,  [OPERATION_SELF] = found_maintained,
                [OPERATION_FILL] = found_maintained, [OPERATION_SAMPLE] = found_maintained,
        };

        ends[o->kind](d, o, now);
}
