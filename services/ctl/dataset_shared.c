#include "services/ctl/dataset_shared.h"

#include <inttypes.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"
#include "services/ctl/record_view.h"

#define PAGE      100
#define PAGES_MAX 10000
/* dht signs a name again after 22 of its 48 hours: older than this it could not. */
#define OVERDUE_MS (24 * UINT64_C(3600000))

struct shared_name {
        char *path, *label; /* "/name/PEER/LABEL", and the last part of it */
        uint8_t root[HASH_SIZE];
        uint64_t age_ms, expires_ms;
};

struct shared_names {
        struct shared_name *list;
        size_t n, capacity;
};

static void take_record(struct shared_names *s, const Dht__Record *r) {
        struct shared_name *name;
        char *path, *slash;

        if (!r->own || strcmp(r->kind, "name") != 0 || r->payload.len != HASH_SIZE)
                return;
        path = xasprintf("%.*s", (int) r->name.len, (const char *) r->name.data);
        slash = strncmp(path, "/name/", 6) == 0 ? strchr(path + 6, '/') : NULL;
        if (!slash) {
                free(path);
                return;
        }
        if (s->n == s->capacity) {
                s->capacity = s->capacity ? 2 * s->capacity : 16;
                s->list = xrealloc(s->list, s->capacity * sizeof(*s->list));
        }
        name = &s->list[s->n++];
        *name = (struct shared_name){
                .path = path, .label = slash + 1, .age_ms = r->age_ms, .expires_ms = r->expires_ms
        };
        memcpy(name->root, r->payload.data, HASH_SIZE);
}

struct shared_names *shared_names_read(const struct command_context *ctx) {
        CLEANUP(shared_names_freep) struct shared_names *s = xnew(struct shared_names);
        CLEANUP(buffer_donep) struct buffer after = {};
        Dht__ListRequest request = DHT__LIST_REQUEST__INIT;
        bool more = true;
        char why[256];

        buffer_init(&after, 4096);
        request.max = PAGE;
        for (unsigned i = 0; i < PAGES_MAX && more; i++) {
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Dht__ListReply *reply;

                request.after = people_data(buffer_bytes(&after));
                if (ctl_try(ctx, &discovery_records, "List", &request, &u, why))
                        return NULL;
                reply = u.message;
                for (size_t k = 0; k < reply->n_records; k++)
                        take_record(s, reply->records[k]);
                more = reply->truncated && reply->n_records > 0;
                request.inside = reply->inside;
                buffer_clear(&after);
                if (more)
                        buffer_put_bytes(&after,
                                         people_bytes(reply->records[reply->n_records - 1]->name));
        }
        return TAKE(s);
}

struct shared_names *shared_names_free(struct shared_names *s) {
        for (size_t i = 0; s && i < s->n; i++)
                free(s->list[i].path);
        if (s)
                free(s->list);
        free(s);
        return NULL;
}

/* ---- beside what is here ---- */

static bool leads_to(const struct shared_name *n, const Coordinator__DatasetInfo *d) {
        return bytes_equal(people_bytes(d->root), BYTES(n->root, HASH_SIZE));
}

/* The one that others know by the dataset's name here. */
static const struct shared_name *same_name(const struct shared_names *s,
                                           const Coordinator__DatasetInfo *d) {
        for (size_t i = 0; *d->name && i < s->n; i++)
                if (strcmp(s->list[i].label, d->name) == 0)
                        return &s->list[i];
        return NULL;
}

static void own_name_text(const struct shared_name *n, const Coordinator__DatasetInfo *d,
                          const char *shown, const char *here) {
        char hex[2 * HASH_SIZE + 1], age[PEOPLE_AGE_SIZE], left[PEOPLE_AGE_SIZE];

        if (n && !leads_to(n, d)) {
                hex_encode(BYTES(n->root, HASH_SIZE), hex);
                printf("%s: others find %s by this name; `quorate dataset name` gives them the one "
                       "here, if it is public\n",
                       shown, hex);
        } else if (n && n->age_ms > OVERDUE_MS) {
                printf("%s: others were told this name %s ago and not again; they lose it in %s: "
                       "look at `quorate doctor`\n",
                       shown, people_age(n->age_ms, age), people_age(n->expires_ms, left));
        } else if (!n && d->announced && *d->name) {
                printf("%s: others do not know this name; `quorate dataset name %s %s` "
                       "tells them\n",
                       shown, shown, here);
        }
}

void shared_names_text(const struct shared_names *s, const Coordinator__DatasetInfo *d) {
        char shown[300], path[RECORD_VIEW_NAME_SIZE], here[2 * HASH_SIZE + 1];

        if (!s || d->root.len != HASH_SIZE)
                return;
        hex_encode(people_bytes(d->root), here);
        own_name_text(same_name(s, d), d, text_escape(BYTES_STR(d->name), shown, sizeof(shown)),
                      here);
        for (size_t i = 0; i < s->n; i++)
                if (leads_to(&s->list[i], d) && strcmp(s->list[i].label, d->name) != 0)
                        printf("%s: others find %s by this name, too; `quorate record rm %s` "
                               "takes that back\n",
                               text_escape(BYTES_STR(s->list[i].label), shown, sizeof(shown)), here,
                               text_escape(BYTES_STR(s->list[i].path), path, sizeof(path)));
}

void shared_names_json(const struct shared_names *s, const Coordinator__DatasetInfo *d) {
        const struct shared_name *same = s ? same_name(s, d) : NULL;
        bool first = false;
        size_t n = 0;

        json_key(stdout, "shared", &first);
        if (!s) {
                fputs("null", stdout);
                return;
        }
        fputc('[', stdout);
        for (size_t i = 0; i < s->n; i++) {
                bool inner = true;

                if (!leads_to(&s->list[i], d))
                        continue;
                fputs(n++ ? ",{" : "{", stdout);
                json_member_string(stdout, "name", s->list[i].label, &inner);
                json_member_u64(stdout, "age_ms", s->list[i].age_ms, &inner);
                json_member_u64(stdout, "expires_ms", s->list[i].expires_ms, &inner);
                fputc('}', stdout);
        }
        fputc(']', stdout);
        if (same && !leads_to(same, d)) {
                json_key(stdout, "shared_elsewhere", &first);
                json_hex(stdout, same->root, HASH_SIZE);
        }
}
