#include "common/streams/places.h"

#include "common/base/error.h"
#include "common/base/memory.h"

#define KEY_MAX (1 + PEER_ID_MAX + 8)

/* Those of one subnet, or one peer where subnets say nothing. */
struct places_group {
        struct budget bytes;
        size_t n_members, n_streams[PLACES_PROTOCOLS + 1];
        struct bytes key;
        uint8_t key_bytes[KEY_MAX];
};

/* One peer of a group. */
struct places_member {
        struct budget bytes;
        size_t n_streams;
        struct bytes key;
        uint8_t key_bytes[2 * KEY_MAX];
};

void places_init(struct places *s, const struct places_limits *limits,
                 const struct places_events *events, void *userdata) {
        *s = (struct places){
                .limits = *limits, .events = events, .userdata = userdata, .told = NSEC_NEVER
        };
        budget_init(&s->bytes, limits->bytes, NULL);
        for (size_t i = 0; i < ELEMENTSOF(s->streams); i++)
                list_init(&s->streams[i]);
        s->groups = map_new(1);
        s->members = map_new(2);
        heap_init(&s->due);
}

void places_done(struct places *s) {
        check(map_count(s->groups) == 0);
        map_free(s->groups);
        map_free(s->members);
        heap_done(&s->due);
}

nsec_t places_deadline(const struct places *s) {
        return heap_when(&s->due);
}

static void tell(struct places *s) {
        nsec_t when = heap_when(&s->due);

        if (when >= s->told)
                return;
        s->told = when;
        s->events->on_deadline(s->userdata, when);
}

/* ---- Groups and their members ---- */

/* Addresses of one house or machine are shared by honest peers. */
static void put_group(struct buffer *b, const struct place_stream *of) {
        if (!of->from || endpoint_scope(of->from) != SCOPE_PUBLIC) {
                buffer_put_u8(b, 0);
                buffer_put_bytes(b, peer_id_bytes(of->peer));
                return;
        }
        buffer_put_u8(b, of->from->family);
        buffer_put(b, of->from->addr, of->from->family == ENDPOINT_IP4 ? 3 : 6);
}

static struct places_group *group_of(struct places *s, const struct place_stream *of) {
        struct places_group *g = xnew(struct places_group), *known;
        struct buffer b = buffer_over(g->key_bytes, sizeof(g->key_bytes));

        put_group(&b, of);
        known = map_get(s->groups, buffer_bytes(&b));
        if (known) {
                free(g);
                return known;
        }
        g->key = buffer_bytes(&b);
        budget_init(&g->bytes, s->limits.bytes_per_group, &s->bytes);
        (void) map_set(s->groups, g->key, g);
        return g;
}

static struct places_member *member_of(struct places *s, struct places_group *g,
                                       const struct peer_id *peer) {
        struct places_member *m = xnew(struct places_member), *known;
        struct buffer b = buffer_over(m->key_bytes, sizeof(m->key_bytes));

        buffer_put_bytes(&b, g->key);
        buffer_put_bytes(&b, peer_id_bytes(peer));
        known = map_get(s->members, buffer_bytes(&b));
        if (known) {
                free(m);
                return known;
        }
        m->key = buffer_bytes(&b);
        budget_init(&m->bytes, s->limits.bytes_per_peer, &g->bytes);
        (void) map_set(s->members, m->key, m);
        g->n_members++;
        return m;
}

/* ---- Losing one's place ---- */

static void release(struct place *p) {
        struct places *s = p->all;
        struct places_group *g = p->group;
        struct places_member *m = p->member;

        budget_give(&m->bytes, p->held);
        p->held = 0;
        list_remove(&p->link);
        s->n_streams[p->protocol]--;
        g->n_streams[p->protocol]--;
        if (--m->n_streams == 0) {
                (void) map_remove(s->members, m->key);
                free(m);
                g->n_members--;
        }
        if (g->n_members == 0) {
                (void) map_remove(s->groups, g->key);
                free(g);
        }
        p->group = NULL;
        p->member = NULL;
}

/* Whoever made it lose may be inside a call of it: its end comes by itself, at once. */
static void lose(struct place *p, enum places_count count, const char *why, nsec_t now) {
        struct places *s = p->all;

        s->counts[count]++;
        release(p);
        p->is_lost = true;
        p->why = why;
        heap_set(&s->due, &p->due, now);
        s->events->on_lost(s->userdata, p);
        tell(s);
}

void place_over_quota(struct place *p, nsec_t now) {
        if (p->all && !p->is_lost)
                lose(p, PLACES_OVER_QUOTA, "it held too much", now);
}

void place_leave(struct place *p) {
        if (!p->all)
                return;
        if (!p->is_lost)
                release(p);
        heap_remove(&p->all->due, &p->due);
        *p = (struct place){};
}

struct place *places_pop_due(struct places *s, nsec_t now) {
        struct heap_entry *e = heap_pop_due(&s->due, now);
        struct place *p;

        if (!e) {
                s->told = NSEC_NEVER;
                tell(s);
                return NULL;
        }
        p = container_of(e, struct place, due);
        if (p->is_lost)
                return p;
        if (p->begun != NSEC_NEVER)
                lose(p, PLACES_UNFINISHED, "a frame was begun and did not end", now);
        else
                lose(p, PLACES_SILENT, "silent for too long", now);
        heap_remove(&s->due, &p->due);
        return p;
}

/* ---- How many streams ---- */

/* Of a group (NULL: of those that have most), the longest silent. */
static struct place *longest_silent(struct places *s, unsigned protocol,
                                    const struct places_group *of) {
        struct place *found = NULL;

        LIST_FOREACH (it, &s->streams[protocol]) {
                struct place *p = LIST_ENTRY(it, struct place, link);

                if (of && p->group == of)
                        return p;
                if (!of &&
                    (!found || p->group->n_streams[protocol] > found->group->n_streams[protocol]))
                        found = p;
        }
        return found;
}

/* The newcomer is counted in already, and is the last of the list. */
static void make_place(struct places *s, const struct place *newcomer, size_t max, nsec_t now) {
        unsigned protocol = newcomer->protocol;
        struct places_group *g = newcomer->group;
        bool is_share = g->n_streams[protocol] > (max + PLACES_SHARE - 1) / PLACES_SHARE;

        if (is_share || s->n_streams[protocol] > max)
                lose(longest_silent(s, protocol, is_share ? g : NULL), PLACES_CROWDED_OUT,
                     "others need its place", now);
}

static void set_due(struct place *p) {
        struct places *s = p->all;
        bool is_begun = p->begun != NSEC_NEVER; /* a question that comes slowly is one */
        nsec_t when = is_begun ? nsec_add(p->begun, s->limits.frame) : p->until;

        if (when == NSEC_NEVER)
                heap_remove(&s->due, &p->due);
        else
                heap_set(&s->due, &p->due, when);
        tell(s);
}

void place_enter(struct places *s, struct place *p, const struct place_stream *of, nsec_t now) {
        *p = (struct place){ .all = s,
                             .protocol = of->protocol,
                             .is_asked = of->is_asked,
                             .until = NSEC_NEVER,
                             .begun = NSEC_NEVER };
        p->group = group_of(s, of);
        p->member = member_of(s, p->group, of->peer);
        p->member->n_streams++;
        p->group->n_streams[p->protocol]++;
        s->n_streams[p->protocol]++;
        list_init(&p->link);
        list_push_back(&s->streams[p->protocol], &p->link);
        if (p->is_asked)
                p->until = nsec_add(now, s->limits.first);
        set_due(p);
        if (p->protocol != PLACES_OWN)
                make_place(s, p, of->max, now);
}

void place_heard(struct place *p, nsec_t now) {
        if (!p->all || p->is_lost)
                return;
        list_remove(&p->link);
        list_push_back(&p->all->streams[p->protocol], &p->link);
        p->begun = NSEC_NEVER;
        if (p->is_asked)
                p->until = nsec_add(now, p->all->limits.idle);
        set_due(p);
}

void place_begun(struct place *p, bool is_begun, nsec_t now) {
        if (!p->all || p->is_lost || is_begun == (p->begun != NSEC_NEVER))
                return;
        p->begun = is_begun ? now : NSEC_NEVER;
        set_due(p);
}

void place_ends_by(struct place *p, nsec_t when) {
        if (!p->all || p->is_lost)
                return;
        p->is_asked = false;
        p->begun = NSEC_NEVER;
        p->until = when;
        set_due(p);
}

/* ---- How many bytes ---- */

/* Of the group that holds most, the stream that does; NULL: that is one's own. */
static struct place *greediest(struct places *s, const struct places_group *own) {
        struct place *found = NULL;

        for (size_t i = 0; i < ELEMENTSOF(s->streams); i++)
                LIST_FOREACH (it, &s->streams[i]) {
                        struct place *p = LIST_ENTRY(it, struct place, link);
                        uint64_t most = found ? found->group->bytes.used : own->bytes.used;

                        if (p->held == 0 || p->group == own || p->group->bytes.used < most ||
                            (!found && p->group->bytes.used == most))
                                continue;
                        if (!found || p->group->bytes.used > most || p->held > found->held)
                                found = p;
                }
        return found;
}

static bool is_over_its_own(const struct place *p, uint64_t more) {
        const struct budget *member = &p->member->bytes, *group = &p->group->bytes;

        return more > member->limit - member->used || more > group->limit - group->used;
}

bool place_hold(struct place *p, uint64_t n, nsec_t now) {
        struct place *greedy;

        if (!p->all)
                return true;
        if (p->is_lost)
                return n == 0;
        if (n <= p->held) {
                budget_give(&p->member->bytes, p->held - n);
                p->held = n;
                return true;
        }
        while (budget_take(&p->member->bytes, n - p->held)) {
                greedy = is_over_its_own(p, n - p->held) ? NULL : greediest(p->all, p->group);
                if (!greedy)
                        return false;
                lose(greedy, PLACES_CROWDED_OUT, "others need its memory", now);
        }
        p->held = n;
        return true;
}
