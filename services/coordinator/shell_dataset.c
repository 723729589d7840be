#include "services/coordinator/shell_dataset.h"

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"

bool dataset_facts(const struct shell *s, const struct hash_value *root, struct buffer *manifest,
                   struct manifest *ret) {
        buffer_init(manifest, MANIFEST_SIZE_MAX);
        return store_manifest(s->store, root, manifest) == STORE_OK && !manifest->failed &&
               manifest_decode(buffer_bytes(manifest), ret) == MANIFEST_OK;
}

bool dataset_is_public(const struct manifest *m) {
        static const uint8_t no_salt[DATA_SALT_SIZE];

        return memcmp(m->salt, no_salt, sizeof(no_salt)) == 0;
}

/* Of a store's answer; a fault is logged, and is the disk's. */
static int answer_of(struct shell *s, int result, char why[DATASET_WHY_SIZE]) {
        static const struct {
                int result, code;
                const char *why;
        } rows[] = {
                { STORE_OK, 0, "" },
                { STORE_E_NONE, DATASET_E_NONE,
                  "no such dataset here; `quorate dataset list` shows what there is" },
                { STORE_E_BUSY, DATASET_E_BUSY,
                  "a job or a client uses it now; try again when that has ended" },
                { STORE_E_QUOTA, DATASET_E_FULL,
                  "too many datasets are kept; `quorate dataset rm` some" },
                { STORE_E_DISK, DATASET_E_FULL, "the node's disk is full; make room" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].result == result) {
                        (void) snprintf(why, DATASET_WHY_SIZE, "%s", rows[i].why);
                        return rows[i].code;
                }
        log_error_reason(result, "dataset cache %s", s->cache_path);
        (void) snprintf(why, DATASET_WHY_SIZE,
                        "the node cannot write its dataset cache; look at its log");
        return DATASET_E_FULL;
}

/* A name is of one dataset: the one that had it before is called nothing, but not before the new
 * one is on disk. In between both have it: the store settles that when it opens. */
static int set_named(struct shell *s, const struct hash_value *root, const struct store_keep *keep,
                     bool is_renamed) {
        struct store_keep before, others;
        struct hash_value other;
        bool had = is_renamed && store_find_label(s->store, keep->label, &other) &&
                   !hash_equal(&other, root);
        int r;

        (void) store_keep_of(s->store, root, &before);
        r = store_set_keep(s->store, root, keep);
        if (r || !had)
                return r;
        (void) store_keep_of(s->store, &other, &others);
        others.label[0] = 0;
        r = store_set_keep(s->store, &other, &others);
        if (r && store_set_keep(s->store, root, &before))
                log_error("two datasets have one name until the node is restarted: its disk fails");
        return r;
}

int dataset_pin(struct shell *s, const struct hash_value *root, const char *label,
                char why[DATASET_WHY_SIZE]) {
        CLEANUP(buffer_donep) struct buffer manifest = {};
        struct store_keep keep;
        struct manifest m;
        int r;

        if (!store_keep_of(s->store, root, &keep))
                keep.time_us = shell_wall_us();
        keep.flags |= STORE_KEEP_PINNED;
        if (store_has(s->store, root) && dataset_facts(s, root, &manifest, &m) &&
            dataset_is_public(&m))
                keep.flags |= STORE_KEEP_ANNOUNCED;
        if (label)
                (void) snprintf(keep.label, sizeof(keep.label), "%s", label);
        r = set_named(s, root, &keep, label);
        if (r == STORE_OK)
                dataset_announce_look(s, root);
        return answer_of(s, r, why);
}

int dataset_unpin(struct shell *s, const struct hash_value *root, char why[DATASET_WHY_SIZE]) {
        struct store_keep keep;
        int r;

        if (!store_keep_of(s->store, root, &keep) || !(keep.flags & STORE_KEEP_PINNED)) {
                (void) snprintf(why, DATASET_WHY_SIZE,
                                "it is not pinned; `quorate dataset list` shows what is");
                return DATASET_E_NONE;
        }
        keep.flags &= (uint8_t) ~STORE_KEEP_PINNED;
        keep.label[0] = 0;
        r = store_set_keep(s->store, root, &keep);
        dataset_announce_look(s, root);
        return answer_of(s, r, why);
}

int dataset_remove(struct shell *s, const struct hash_value *root, char why[DATASET_WHY_SIZE]) {
        struct dataset_work *w = dataset_work_on(s, root);
        struct store_keep keep;
        int r;

        if (w)
                dataset_work_cancel(s, w);
        r = store_remove(s->store, root);
        if (r == STORE_E_NONE && w)
                r = STORE_OK; /* a fetch of which nothing had come */
        if (r == STORE_OK && store_keep_of(s->store, root, &keep)) {
                keep.label[0] = 0;
                r = store_set_keep(s->store, root, &keep);
        }
        dataset_announce_look(s, root);
        return answer_of(s, r, why);
}

int shell_datasets_start(struct shell *s) {
        s->datasets = xnew(struct datasets);
        list_init(&s->datasets->works);
        return dataset_announce_start(s);
}

void shell_datasets_stop(struct shell *s) {
        struct list *link;

        if (!s->datasets)
                return;
        while ((link = list_first(&s->datasets->works))) {
                struct dataset_work *w = LIST_ENTRY(link, struct dataset_work, link);

                if (w->state == WORK_RUNNING)
                        dataset_work_cancel(s, w);
                list_remove(&w->link);
                free(w);
        }
        s->datasets->verifying = loop_source_free(s->datasets->verifying);
        dataset_announce_stop(s);
        free(s->datasets);
        s->datasets = NULL;
}

void shell_datasets_tick(struct shell *s) {
        struct shell_data_stats stats;

        shell_data_stats(s->data, &stats);
        s->gauges.cache_bytes = store_used(s->store);
        s->gauges.cache_datasets = store_count(s->store);
        s->gauges.cache_evicted = store_evicted(s->store);
        s->gauges.data_fetched = stats.fetched_bytes;
        s->gauges.data_served = stats.served_bytes;
        s->gauges.data_packed = stats.packed_bytes;
        dataset_heal_tick(s);
        dataset_announce_tick(s);
}
