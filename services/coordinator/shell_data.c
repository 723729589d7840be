#include "services/coordinator/shell_data_parts.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/error.h"
#include "common/canonical/outcome.h"

const struct shell_data_config shell_data_defaults = {
        .silence = 10 * NSEC_PER_SEC,
        .window = 8,
        .fetch_memory = 64 << 20,
        .serve_max = 32,
};

/* ---- telling how inputs ended ---- */

static int facts_of(struct shell_data *d, const struct hash_value *root, struct buffer *encoded,
                    struct manifest *ret) {
        buffer_init(encoded, MANIFEST_SIZE_MAX);
        if (store_serve_source.manifest(d->store, root, encoded) || encoded->failed ||
            manifest_decode(buffer_bytes(encoded), ret))
                return error_origin(-EIO);
        return 0;
}

static void tell_ready(struct shell_data *d, struct input *in) {
        static const struct input_failure unreadable = { .code = OUTCOME_DATA_UNAVAILABLE };
        static const uint8_t no_salt[DATA_SALT_SIZE];
        CLEANUP(buffer_donep) struct buffer encoded = {};
        char path[STORE_NAME_SIZE], format[MANIFEST_FORMAT_MAX + 1] = "";
        struct input_facts facts = { .fetched = in->fetched };
        struct manifest m;

        if (facts_of(d, &in->root, &encoded, &m)) {
                d->handler->failed(d->userdata, in->id, &unreadable);
                return;
        }
        memcpy(format, m.format.data, m.format.len);
        facts.format = format;
        facts.path = store_name(&in->root, path);
        facts.options = m.options;
        facts.schema = m.schema;
        facts.length = m.length;
        facts.is_public = memcmp(m.salt, no_salt, sizeof(no_salt)) == 0;
        d->handler->ready(d->userdata, in->id, &facts);
}

static struct input *next_to_tell(struct shell_data *d) {
        LIST_FOREACH (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);

                if (!in->told && (in->pinned || in->failure.code != OUTCOME_OK))
                        return in;
        }
        return NULL;
}

static int on_tell(void *userdata) {
        struct shell_data *d = userdata;
        struct input *in;

        /* A handler may cancel any input, so look again from the start each time. */
        while ((in = next_to_tell(d))) {
                in->told = true;
                if (in->failure.code == OUTCOME_OK)
                        tell_ready(d, in);
                else
                        d->handler->failed(d->userdata, in->id, &in->failure);
        }
        return 0;
}

static void settle(struct shell_data *d, struct input *in, const struct input_failure *failure,
                   uint64_t fetched) {
        if (in->pinned || in->failure.code != OUTCOME_OK)
                return;
        in->failure = *failure;
        in->fetched = fetched;
        if (failure->code == OUTCOME_OK && store_pin(d->store, &in->root) == STORE_OK)
                in->pinned = true;
        else if (failure->code == OUTCOME_OK)
                in->failure.code = OUTCOME_DATA_UNAVAILABLE;
        (void) loop_defer(d->tell);
}

static void settle_code(struct shell_data *d, struct input *in, unsigned code) {
        settle(d, in, &(struct input_failure){ .code = code }, 0);
}

/* ---- what a job may have ---- */

static struct getting *getting_of(const struct shell_data *d, const struct hash_value *root) {
        LIST_FOREACH (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (hash_equal(&g->root, root))
                        return g;
        }
        return NULL;
}

/* 0 while nobody has given the manifest. */
static uint64_t known_length(const struct shell_data *d, const struct hash_value *root) {
        const struct getting *g = getting_of(d, root);
        uint64_t length = 0;

        if (store_length(d->store, root, &length) == STORE_E_NONE && g)
                length = store_fetch_length(g->fetch);
        return length;
}

/* Whether its job said that there would be so much, if it is as long as that. */
static bool is_claimed(const struct shell_data *d, const struct input *in, uint64_t length) {
        uint64_t left = in->claim.bytes;

        if (!in->claim.job)
                return true;
        LIST_FOREACH (link, &d->inputs) {
                const struct input *other = LIST_ENTRY(link, struct input, link);
                uint64_t takes;

                if (other->claim.job != in->claim.job)
                        continue;
                takes = hash_equal(&other->root, &in->root) ? length
                                                            : known_length(d, &other->root);
                if (takes > left)
                        return false;
                left -= takes;
        }
        return true;
}

static bool is_waiting(const struct input *in, const struct hash_value *root) {
        return in->failure.code == OUTCOME_OK && hash_equal(&in->root, root);
}

/* The fetch goes on for those who may have so much, and ends with the last of them. */
static bool on_length(void *userdata, uint64_t length) {
        struct getting *g = userdata;
        bool is_wanted = false;

        LIST_FOREACH (link, &g->data->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);

                if (!is_waiting(in, &g->root))
                        continue;
                if (is_claimed(g->data, in, length))
                        is_wanted = true;
                else
                        settle_code(g->data, in, OUTCOME_LIMIT);
        }
        return is_wanted;
}

/* ---- one fetch ---- */

static void getting_free(struct getting *g) {
        for (size_t i = 0; i < FETCH_PROVIDERS_MAX; i++)
                supply_close(&g->supplies[i]);
        list_remove(&g->link);
        store_fetch_free(g->fetch);
        free(g->strangers);
        free(g);
}

/* "…Xb7dQ2Wz stalled (no bytes in 10 s), …4kQ2m9Tz does not have it" */
static void say_who(const struct fetch_report *reports, size_t n, char *ret, size_t size) {
        size_t at = 0;

        *ret = 0;
        for (size_t i = 0; i < n && at < size; i++) {
                char text[PEER_ID_TEXT_SIZE], why[FETCH_TEXT_SIZE];
                size_t len = strlen(peer_id_text(&reports[i].peer, text));

                at += (size_t) snprintf(ret + at, size - at, "%s…%s %s", i ? ", " : "",
                                        text + (len > 8 ? len - 8 : 0),
                                        fetch_report_text(&reports[i], why));
        }
}

static void blame(struct getting *g, struct input_failure *ret) {
        struct fetch_report reports[FETCH_PROVIDERS_MAX];
        size_t n = fetch_reports(store_fetch_core(g->fetch), reports, FETCH_PROVIDERS_MAX);

        ret->asked = (unsigned) n;
        ret->searched = g->has_searched;
        ret->n_searched = g->n_searched;
        say_who(reports, n, ret->who, sizeof(ret->who));
        if (g->data->handler->ended)
                g->data->handler->ended(g->data->userdata, &g->root, reports, n);
        for (size_t i = 0; i < n; i++) {
                g->data->fetched_bytes += reports[i].bytes;
                if (reports[i].fault != FETCH_FAULT_NONE && g->data->handler->blamed)
                        g->data->handler->blamed(g->data->userdata, &reports[i].peer,
                                                 fetch_fault_name(reports[i].fault));
        }
}

static unsigned code_of(int error) {
        return error == -EDQUOT || error == -ENOSPC || error == -ENOBUFS ? OUTCOME_LIMIT
                                                                         : OUTCOME_DATA_UNAVAILABLE;
}

static void getting_end(struct getting *g, enum fetch_action_kind how, int error) {
        struct shell_data *d = g->data;
        struct input_failure failure = {};
        uint64_t length = 0;

        if (how == FETCH_DONE)
                error = store_fetch_finish(g->fetch);
        if (error == STORE_E_DISK)
                error = -ENOSPC;
        blame(g, &failure);
        if (how != FETCH_DONE || error)
                failure.code = code_of(error);
        (void) store_length(d->store, &g->root, &length);
        LIST_FOREACH (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);

                if (hash_equal(&in->root, &g->root))
                        settle(d, in, &failure, length);
        }
        if (failure.code == OUTCOME_OK) /* store_fetch_finish() pinned it once, the inputs theirs */
                store_unpin(d->store, &g->root);
        getting_free(g);
}

static void arm(struct shell_data *d) {
        nsec_t first = NSEC_NEVER;

        LIST_FOREACH (link, &d->gettings) {
                const struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (!g->is_checking)
                        first = nsec_min(first, fetch_deadline(store_fetch_core(g->fetch)));
        }
        (void) loop_timer_set(d->timer, first);
}

/* Carries out what the fetch wants; frees it at its end. Not entered twice: closing a
 * stream inside it is an input of the same fetch. */
void getting_pump(struct getting *g) {
        struct shell_data *d = g->data;
        struct fetch_action a;
        bool ended = false;

        if (g->pumping)
                return;
        g->pumping = true;
        while (!ended && fetch_output(store_fetch_core(g->fetch), &a)) {
                if (a.kind == FETCH_OPEN) {
                        supply_open(g, &a);
                } else if (a.kind == FETCH_SEND) {
                        supply_send(g, &a);
                } else if (a.kind == FETCH_DROP) {
                        supply_close(&g->supplies[a.provider]);
                } else {
                        getting_end(g, a.kind, a.error);
                        ended = true;
                }
        }
        if (!ended)
                g->pumping = false;
        arm(d);
}

static int on_timer(void *userdata) {
        struct shell_data *d = userdata;
        nsec_t now = loop_now(d->loop);

        LIST_FOREACH_SAFE (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);

                if (g->is_checking)
                        continue;
                fetch_expire(store_fetch_core(g->fetch), now);
                getting_pump(g);
        }
        arm(d);
        return 0;
}

static void add_strangers(struct getting *g) {
        for (size_t i = 0; i < g->n_strangers; i++)
                fetch_add_stranger(store_fetch_core(g->fetch), &g->strangers[i].peer,
                                   loop_now(g->data->loop));
}

static void begin_asking(struct getting *g) {
        nsec_t now = loop_now(g->data->loop);

        g->is_checking = false;
        for (size_t i = 0; i < g->n_providers; i++)
                fetch_add_provider(store_fetch_core(g->fetch), &g->providers[i], now);
        add_strangers(g);
        fetch_wait(store_fetch_core(g->fetch), g->is_searching, now);
        fetch_expire(store_fetch_core(g->fetch), now);
        getting_pump(g);
}

/* One step of each a turn: rows, cancels and other jobs come between. */
static int on_check(void *userdata) {
        struct shell_data *d = userdata;
        bool is_more = false;

        LIST_FOREACH_SAFE (link, &d->gettings) {
                struct getting *g = LIST_ENTRY(link, struct getting, link);
                int r = g->is_checking ? store_fetch_check(g->fetch) : 0;

                if (r == STORE_FETCH_MORE)
                        is_more = true;
                else if (r)
                        getting_end(g, FETCH_FAILED, r);
                else if (g->is_checking)
                        begin_asking(g);
        }
        return is_more ? loop_defer(d->check) : 0;
}

/* ---- inputs ---- */

static struct getting *getting_new(struct shell_data *d, const struct hash_value *root,
                                   int *ret_error) {
        const struct fetch_config config = { d->config.silence, d->config.window, &d->memory };
        struct getting *g = xnew(struct getting);

        g->data = d;
        g->root = *root;
        list_init(&g->link);
        *ret_error = store_fetch_begin(d->store, root, &config, &g->fetch);
        if (*ret_error) {
                free(g);
                return NULL;
        }
        store_fetch_admit(g->fetch, on_length, g);
        g->is_checking = true;
        list_push_back(&d->gettings, &g->link);
        (void) loop_defer(d->check);
        return g;
}

static void add_provider(struct getting *g, const struct peer_id *peer) {
        if (!g->is_checking)
                fetch_add_provider(store_fetch_core(g->fetch), peer, loop_now(g->data->loop));
        else if (g->n_providers < FETCH_PROVIDERS_MAX)
                g->providers[g->n_providers++] = *peer;
}

/* Once for each fetch: who names no provider waits for what the search finds. */
static void search(struct getting *g) {
        struct shell_data *d = g->data;

        if (g->has_searched || !d->handler->search)
                return;
        g->has_searched = true;
        g->is_searching = d->handler->search(d->userdata, &g->root);
        if (!g->is_checking)
                fetch_wait(store_fetch_core(g->fetch), g->is_searching, loop_now(d->loop));
}

void shell_data_found(struct shell_data *d, const struct hash_value *root,
                      const struct candidate *found, size_t n, unsigned asked) {
        struct getting *g = getting_of(d, root);

        if (!g || !g->is_searching)
                return;
        g->is_searching = false;
        g->n_searched = asked;
        g->n_strangers = n < FETCH_PROVIDERS_MAX ? n : FETCH_PROVIDERS_MAX;
        g->strangers = xmemdup(found, g->n_strangers * sizeof(*found));
        if (g->is_checking)
                return;
        add_strangers(g);
        fetch_wait(store_fetch_core(g->fetch), false, loop_now(d->loop));
        getting_pump(g);
}

/* Ends a fetch nobody waits for any more; verified chunks stay for the next try. */
static void drop_unwanted(struct shell_data *d, const struct hash_value *root) {
        struct getting *g = getting_of(d, root);

        LIST_FOREACH (link, &d->inputs)
                if (is_waiting(LIST_ENTRY(link, struct input, link), root))
                        return;
        if (g && !g->pumping)
                getting_free(g);
}

static void get(struct shell_data *d, struct input *in, const struct data_request *request) {
        struct getting *g = getting_of(d, &in->root);
        int error = 0;

        if (!g)
                g = getting_new(d, &in->root, &error);
        if (!g) {
                settle_code(d, in,
                            error == STORE_E_QUOTA || error == STORE_E_DISK ? OUTCOME_LIMIT
                                                                            : code_of(error));
                return;
        }
        if (!is_claimed(d, in, store_fetch_length(g->fetch))) {
                settle_code(d, in, OUTCOME_LIMIT);
                drop_unwanted(d, &in->root);
                return;
        }
        for (size_t i = 0; i < request->n_providers; i++)
                add_provider(g, &request->providers[i]);
        if (request->search)
                search(g);
        if (g->is_checking)
                return;
        fetch_expire(store_fetch_core(g->fetch), loop_now(d->loop));
        getting_pump(g);
}

void shell_data_input(struct shell_data *d, const struct data_request *request) {
        struct input *in = xnew(struct input);

        in->id = request->id;
        in->root = request->root;
        in->claim = request->claim;
        list_push_back(&d->inputs, &in->link);
        if (store_has(d->store, &in->root))
                settle_code(d, in, OUTCOME_OK);
        else if (request->n_providers == 0 && !(request->search && d->handler->search))
                settle_code(d, in, OUTCOME_DATA_UNAVAILABLE);
        else
                get(d, in, request);
}

static void input_free(struct shell_data *d, struct input *in) {
        if (in->pinned)
                store_unpin(d->store, &in->root);
        list_remove(&in->link);
        free(in);
}

void shell_data_cancel(struct shell_data *d, uint64_t fetch) {
        LIST_FOREACH_SAFE (link, &d->inputs) {
                struct input *in = LIST_ENTRY(link, struct input, link);
                struct hash_value root = in->root;

                if (in->id != fetch)
                        continue;
                input_free(d, in);
                drop_unwanted(d, &root);
                return;
        }
}

/* ---- life ---- */

struct shell_data *shell_data_new(struct loop *loop, struct store *store,
                                  const struct shell_data_config *config,
                                  const struct shell_data_handler *handler, void *userdata) {
        CLEANUP(shell_data_freep) struct shell_data *d = xnew(struct shell_data);

        d->loop = loop;
        d->store = store;
        d->config = *config;
        d->handler = handler;
        d->userdata = userdata;
        budget_init(&d->memory, config->fetch_memory, NULL);
        list_init(&d->gettings);
        list_init(&d->inputs);
        servings_init(&d->servings, loop, store,
                      &(struct serving_config){ config->serve_max, config->zstd, config->fault });
        if (loop_add_timer(loop, on_timer, d, &d->timer) ||
            loop_add_defer(loop, on_tell, d, &d->tell) ||
            loop_add_defer(loop, on_check, d, &d->check))
                return NULL;
        return TAKE(d);
}

struct shell_data *shell_data_free(struct shell_data *d) {
        struct list *link;

        if (!d)
                return NULL;
        servings_done(&d->servings);
        while ((link = list_first(&d->gettings)))
                getting_free(LIST_ENTRY(link, struct getting, link));
        while ((link = list_first(&d->inputs)))
                input_free(d, LIST_ENTRY(link, struct input, link));
        loop_source_free(d->timer);
        loop_source_free(d->tell);
        loop_source_free(d->check);
        free(d);
        return NULL;
}

void shell_data_link(struct shell_data *d, struct link *transport) {
        d->transport = transport;
}

void shell_data_inbound(struct shell_data *d, struct channel *c, bool is_far) {
        servings_accept(&d->servings, c, is_far);
}

bool shell_data_progress(const struct shell_data *d, const struct hash_value *root,
                         struct data_progress *ret) {
        const struct getting *g = getting_of(d, root);

        *ret = (struct data_progress){};
        if (!g)
                return false;
        ret->is_checking = g->is_checking;
        fetch_progress(store_fetch_core(g->fetch), &ret->chunks, &ret->all);
        ret->n_reports =
                fetch_reports(store_fetch_core(g->fetch), ret->reports, FETCH_PROVIDERS_MAX);
        return true;
}

void shell_data_stats(const struct shell_data *d, struct shell_data_stats *ret) {
        *ret = (struct shell_data_stats){
                .fetched_bytes = d->fetched_bytes,
                .served_bytes = d->servings.bytes,
                .served_requests = d->servings.requests,
                .packed_bytes = d->servings.packed,
                .refused_streams = d->servings.refused,
                .served_streams = d->servings.n_streams,
        };
        LIST_FOREACH (link, &d->gettings)
                ret->fetches++;
}
