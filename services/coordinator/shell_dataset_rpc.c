#include <stdio.h>
#include <stdlib.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/coordinator/data/derived.h"
#include "services/coordinator/shell_dataset.h"

#define LIST_DEFAULT 50
#define LIST_MAX     1000

static struct shell *shell_of(void *service) {
        return ((struct coordinator_service *) service)->shell;
}

static char *copy_text(struct call *call, struct bytes v) {
        char *p = call_alloc(call, v.len + 1);

        memcpy(p, v.data, v.len);
        p[v.len] = 0;
        return p;
}

static ProtobufCBinaryData copy_bytes(struct call *call, struct bytes v) {
        uint8_t *p = call_alloc(call, v.len + 1);

        memcpy(p, v.data, v.len);
        return (ProtobufCBinaryData){ v.len, p };
}

/* ---- What a message names ---- */

static bool root_of(ProtobufCBinaryData in, struct hash_value *ret) {
        if (in.len != HASH_SIZE)
                return false;
        memcpy(ret->bytes, in.data, HASH_SIZE);
        return true;
}

/* False: the call has failed. */
static bool take_ref(struct shell *s, struct call *call, const Coordinator__DatasetRef *in,
                     struct hash_value *ret) {
        if (in && root_of(in->root, ret))
                return true;
        if (in && in->name[0] && store_find_label(s->store, in->name, ret))
                return true;
        call_fail(call, DATASET_E_NONE,
                  in && in->name[0]
                          ? "no dataset is called that here; `quorate dataset list` shows "
                            "names and roots"
                          : "a dataset root has 32 bytes, 64 hex digits");
        return false;
}

/* ---- DatasetInfo ---- */

static const char *state_of(struct shell *s, const struct store_item *item) {
        const struct dataset_work *w = dataset_work_on(s, &item->root);

        if (w)
                return w->kind == WORK_FETCH ? "fetching" : "verifying";
        return item->is_complete ? "here" : item->is_partial ? "partial" : "missing";
}

static void fill_derived(struct shell *s, struct call *call, const struct store_item *item,
                         const struct manifest *m, Coordinator__DatasetInfo *out) {
        struct hash_value made;
        struct derived d;

        if (!derived_decode(m, &d))
                return;
        out->derived_from = copy_bytes(call, hash_bytes(&d.from));
        out->derived_by = copy_text(call, d.version);
        out->derived_here =
                store_import_of(s->store, &d.from, &made) && hash_equal(&made, &item->root);
}

static void fill_info(struct shell *s, struct call *call, const struct store_item *item,
                      Coordinator__DatasetInfo *out) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct manifest m;

        coordinator__dataset_info__init(out);
        out->root = copy_bytes(call, hash_bytes(&item->root));
        out->name = copy_text(call, BYTES_STR(item->keep.label));
        out->state = (char *) state_of(s, item);
        out->length = item->length;
        out->pinned = item->keep.flags & STORE_KEEP_PINNED;
        out->announced = item->keep.flags & STORE_KEEP_ANNOUNCED;
        out->pinned_us = out->pinned ? item->keep.time_us : 0;
        out->users = item->pins;
        if (!dataset_facts(s, &item->root, &manifest, &m))
                return;
        out->format = copy_text(call, m.format);
        out->length = m.length;
        out->is_public = dataset_is_public(&m);
        fill_derived(s, call, item, &m, out);
}

struct looking {
        struct hash_value root;
        struct store_item *ret;
        bool is_found;
};

static bool look_at(void *userdata, const struct store_item *item) {
        struct looking *l = userdata;

        if (!hash_equal(&item->root, &l->root))
                return true;
        *l->ret = *item;
        l->is_found = true;
        return false;
}

/* One that only a fetch under way knows is there too. */
static bool find_item(struct shell *s, const struct hash_value *root, struct store_item *ret) {
        struct looking l = { *root, ret, false };

        *ret = (struct store_item){ .root = *root };
        store_each(s->store, look_at, &l);
        return l.is_found || dataset_work_on(s, root);
}

/* ---- The list ---- */

struct listed {
        struct store_item item;
        size_t order; /* of use: least recently first */
};

struct listing {
        struct listed *items;
        size_t n, capacity;
};

static bool add_item(void *userdata, const struct store_item *item) {
        struct listing *l = userdata;

        if (l->n == l->capacity) {
                l->capacity = l->capacity ? 2 * l->capacity : 64;
                l->items = xrealloc(l->items, l->capacity * sizeof(*l->items));
        }
        l->items[l->n] = (struct listed){ *item, l->n };
        l->n++;
        return true;
}

/* Pinned ones first, the latest first; then used last first. */
static int compare_items(const void *a, const void *b) {
        const struct listed *x = a, *y = b;
        bool x_kept = x->item.keep.flags & STORE_KEEP_PINNED;
        bool y_kept = y->item.keep.flags & STORE_KEEP_PINNED;

        if (x_kept != y_kept)
                return x_kept ? -1 : 1;
        if (x_kept && x->item.keep.time_us != y->item.keep.time_us)
                return x->item.keep.time_us > y->item.keep.time_us ? -1 : 1;
        return x->order > y->order ? -1 : x->order < y->order;
}

DATASET_RPC(list, Coordinator__DatasetListRequest, Coordinator__DatasetListReply) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__DatasetListReply out = COORDINATOR__DATASET_LIST_REPLY__INIT;
        size_t max = in->limit ? in->limit : LIST_DEFAULT;
        struct listing l = {};

        store_each(s->store, add_item, &l);
        if (l.n > 0)
                qsort(l.items, l.n, sizeof(*l.items), compare_items);
        max = max < LIST_MAX ? max : LIST_MAX;
        out.n_datasets = l.n < max ? l.n : max;
        out.more = l.n - out.n_datasets;
        out.datasets = call_alloc(call, (out.n_datasets + 1) * sizeof(*out.datasets));
        for (size_t i = 0; i < out.n_datasets; i++) {
                out.datasets[i] = call_alloc(call, sizeof(**out.datasets));
                fill_info(s, call, &l.items[i].item, out.datasets[i]);
        }
        out.used = store_used(s->store);
        out.quota = store_quota(s->store);
        call_reply(call, &out);
        free(l.items);
}

/* ---- One ---- */

DATASET_RPC(show, Coordinator__DatasetRef, Coordinator__DatasetShowReply) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__DatasetShowReply out = COORDINATOR__DATASET_SHOW_REPLY__INIT;
        Coordinator__DatasetInfo info;
        struct store_item item;
        struct hash_value root;
        struct manifest m;

        if (!take_ref(s, call, in, &root))
                return;
        if (!find_item(s, &root, &item)) {
                call_fail(call, DATASET_E_NONE,
                          "no such dataset here; `quorate dataset list` shows what there is, "
                          "`quorate dataset fetch` brings one");
                return;
        }
        fill_info(s, call, &item, &info);
        out.info = &info;
        if (dataset_facts(s, &root, &manifest, &m)) {
                out.chunks = manifest_n_chunks(&m);
                out.chunk_root = copy_bytes(call, hash_bytes(&m.chunk_root));
                out.options = copy_bytes(call, m.options);
                out.schema = copy_bytes(call, m.schema);
        }
        call_reply(call, &out);
}

/* The name may have been another one's, who asked is to know. */
static void pin_and_reply(struct shell *s, struct call *call, const struct hash_value *root,
                          const char *label) {
        Coordinator__DatasetInfo out;
        char why[DATASET_WHY_SIZE];
        struct hash_value before;
        struct store_item item;
        bool had =
                label && store_find_label(s->store, label, &before) && !hash_equal(&before, root);
        int r = dataset_pin(s, root, label, why);

        if (r) {
                call_fail(call, r, "%s", why);
                return;
        }
        (void) find_item(s, root, &item);
        fill_info(s, call, &item, &out);
        if (had)
                out.moved_from = copy_bytes(call, hash_bytes(&before));
        call_reply(call, &out);
}

DATASET_RPC(pin, Coordinator__DatasetPinRequest, Coordinator__DatasetInfo) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct hash_value root;

        if (!take_ref(s, call, in->dataset, &root))
                return;
        if (!store_has(s->store, &root)) {
                call_fail(call, DATASET_E_NONE,
                          "it is not here, or not whole; `quorate dataset fetch --pin` brings it");
                return;
        }
        if (in->rename && !store_is_label(in->label)) {
                call_fail(call, DATASET_E_REFUSED,
                          "a name has 1 to 128 bytes of UTF-8, without control characters and @, "
                          "and is not 64 hex digits");
                return;
        }
        pin_and_reply(s, call, &root, in->rename ? in->label : NULL);
}

/* `unpin` and `rm` say what the dataset was, for it may be no more. */
static void change(struct shell *s, struct call *call, const Coordinator__DatasetRef *in,
                   int (*fn)(struct shell *s, const struct hash_value *root,
                             char why[DATASET_WHY_SIZE])) {
        Coordinator__DatasetInfo before;
        char why[DATASET_WHY_SIZE];
        struct store_item item;
        struct hash_value root;
        int r;

        if (!take_ref(s, call, in, &root))
                return;
        (void) find_item(s, &root, &item);
        fill_info(s, call, &item, &before);
        r = fn(s, &root, why);
        if (r)
                call_fail(call, r, "%s", why);
        else
                call_reply(call, &before);
}

DATASET_RPC(unpin, Coordinator__DatasetRef, Coordinator__DatasetInfo) {
        change(shell_of(service), call_begin(closure_data, (ProtobufCClosure) closure), in,
               dataset_unpin);
}

DATASET_RPC(remove, Coordinator__DatasetRef, Coordinator__DatasetInfo) {
        change(shell_of(service), call_begin(closure_data, (ProtobufCClosure) closure), in,
               dataset_remove);
}

/* ---- Long work ---- */

static void reply_work(struct call *call, const struct dataset_work *w) {
        Coordinator__DatasetWork out = COORDINATOR__DATASET_WORK__INIT;

        out.id = w->id;
        call_reply(call, &out);
}

DATASET_RPC(fetch, Coordinator__DatasetFetchRequest, Coordinator__DatasetWork) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        struct peer_id from[FETCH_PROVIDERS_MAX];
        char why[DATASET_WHY_SIZE];
        struct dataset_work *w;
        struct hash_value root;
        size_t n = 0;
        int r;

        if (!root_of(in->root, &root)) {
                call_fail(call, DATASET_E_REFUSED, "a dataset root has 32 bytes, 64 hex digits");
                return;
        }
        for (size_t i = 0; i < in->n_from && n < FETCH_PROVIDERS_MAX; i++)
                n += peer_id_parse(BYTES(in->from[i].data, in->from[i].len), &from[n]);
        if (n != in->n_from) {
                call_fail(call, DATASET_E_REFUSED, "give at most %d peers, by their ids",
                          FETCH_PROVIDERS_MAX);
                return;
        }
        r = in->pin ? dataset_fetch_to_pin(s, &root, from, n, &w, why)
                    : dataset_fetch(s, &root, from, n, &w, why);
        if (r)
                call_fail(call, r, "%s", why);
        else
                reply_work(call, w);
}

DATASET_RPC(verify, Coordinator__DatasetRef, Coordinator__DatasetWork) {
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        char why[DATASET_WHY_SIZE];
        struct dataset_work *w;
        struct hash_value root;
        int r;

        if (!take_ref(s, call, in, &root))
                return;
        r = dataset_verify(s, &root, &w, why);
        if (r)
                call_fail(call, r, "%s", why);
        else
                reply_work(call, w);
}

static void fill_providers(struct call *call, const struct dataset_work *w,
                           Coordinator__DatasetProgressReply *out) {
        out->n_providers = w->progress.n_reports;
        out->providers = call_alloc(call, (out->n_providers + 1) * sizeof(*out->providers));
        for (size_t i = 0; i < out->n_providers; i++) {
                const struct fetch_report *r = &w->progress.reports[i];
                Coordinator__DatasetProvider *p = call_alloc(call, sizeof(*p));

                coordinator__dataset_provider__init(p);
                p->peer = copy_bytes(call, peer_id_bytes(&r->peer));
                p->verdict = (char *) fetch_fault_name(r->fault);
                p->chunks = r->chunks;
                p->bytes = r->bytes;
                out->providers[i] = p;
        }
}

DATASET_RPC(progress, Coordinator__DatasetWork, Coordinator__DatasetProgressReply) {
        static const char *const states[] = {
                [WORK_RUNNING] = "running", [WORK_DONE] = "done", [WORK_FAILED] = "failed"
        };
        struct shell *s = shell_of(service);
        struct call *call = call_begin(closure_data, (ProtobufCClosure) closure);
        Coordinator__DatasetProgressReply out = COORDINATOR__DATASET_PROGRESS_REPLY__INIT;
        const struct dataset_work *w = dataset_work_of(s, in->id);

        if (!w) {
                call_fail(
                        call, DATASET_E_NONE,
                        "the node was restarted meanwhile; say it again: a fetch goes on where it "
                        "was");
                return;
        }
        out.state = (char *) states[w->state];
        out.problem = (char *) w->problem;
        out.root = copy_bytes(call, hash_bytes(&w->root));
        out.checking = w->progress.is_checking;
        out.chunks = w->kind == WORK_FETCH ? w->progress.chunks : w->count.chunks;
        out.all = w->kind == WORK_FETCH ? w->progress.all : w->count.all;
        out.bad = w->count.bad;
        out.fetched = w->fetched;
        out.elapsed_us = nsec_sub(w->state == WORK_RUNNING ? shell_now(s) : w->ended, w->began) /
                         NSEC_PER_USEC;
        fill_providers(call, w, &out);
        call_reply(call, &out);
}
