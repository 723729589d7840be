#include "services/ctl/places.h"

#include "common/base/text.h"
#include "services/ctl/json.h"

/* Two keys of the configuration name such places, and each service tells of its own. */
struct source {
        const char *section;
        Types__Place *const *list;
        size_t n;
};
#define SOURCES 2

static void sources_of(const Dht__StatusReply *dht, const Transport__StatusReply *transport,
                       struct source ret[SOURCES]) {
        ret[0] = (struct source){ "dht", dht ? dht->places : NULL, dht ? dht->n_places : 0 };
        ret[1] = (struct source){ "transport", transport ? transport->places : NULL,
                                  transport ? transport->n_places : 0 };
}

/* What others said may stand in `why`. */
static void line_of(const char *section, const Types__Place *p, char ret[440]) {
        char where[200], why[220];

        (void) snprintf(ret, 440, "%s ([%s]): %s",
                        text_escape(BYTES_STR(p->where), where, sizeof(where)), section,
                        text_escape(BYTES_STR(p->why), why, sizeof(why)));
}

void places_text(const Dht__StatusReply *dht, const Transport__StatusReply *transport) {
        struct source sources[SOURCES];
        char line[440];

        sources_of(dht, transport, sources);
        for (const struct source *s = sources; s < sources + SOURCES; s++)
                for (size_t i = 0; i < s->n; i++) {
                        if (!*s->list[i]->why)
                                continue;
                        line_of(s->section, s->list[i], line);
                        printf("begin        %s\n", line);
                }
}

void places_json(const Dht__StatusReply *dht, const Transport__StatusReply *transport,
                 bool *first) {
        struct source sources[SOURCES];
        bool none = true;

        sources_of(dht, transport, sources);
        json_key(stdout, "places", first);
        fputc('[', stdout);
        for (const struct source *s = sources; s < sources + SOURCES; s++)
                for (size_t i = 0; i < s->n; i++) {
                        bool inner = true;

                        fputs(none ? "{" : ",{", stdout);
                        none = false;
                        json_member_string(stdout, "where", s->list[i]->where, &inner);
                        json_member_string(stdout, "section", s->section, &inner);
                        json_member_bool(stdout, "reached", s->list[i]->reached, &inner);
                        json_member_string(stdout, "why", s->list[i]->why, &inner);
                        fputc('}', stdout);
                }
        fputc(']', stdout);
}

static size_t take_bad(const struct source *s, struct places_nobody *ret) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++) {
                if (!*s->list[i]->why)
                        continue;
                n++;
                if (ret->n_places < PLACES_SHOWN)
                        line_of(s->section, s->list[i], ret->places[ret->n_places++]);
        }
        return n;
}

static void say(struct places_nobody *n, const char *text, const char *remedy) {
        (void) snprintf(n->text, sizeof(n->text), "%s", text);
        (void) snprintf(n->remedy, sizeof(n->remedy), "%s", remedy);
}

void places_explain(const Dht__StatusReply *dht, const Transport__StatusReply *transport,
                    struct places_nobody *ret) {
        struct source sources[SOURCES];
        size_t named, bad = 0;

        *ret = (struct places_nobody){};
        sources_of(dht, transport, sources);
        named = sources[0].n + sources[1].n;
        for (const struct source *s = sources; s < sources + SOURCES; s++)
                bad += take_bad(s, ret);
        if (!dht)
                say(ret, "dht, which finds peers, does not answer", "look with `quorate doctor`");
        else if (dht->outage)
                say(ret, "the network seems to be down: nobody answers any more",
                    "look at this machine's network; the node goes on by itself");
        else if (dht->peers > 0)
                say(ret, "nobody is connected now, but dht knows peers",
                    "look again in a few seconds; `quorate peers --all` shows who is known");
        else if (named == 0)
                say(ret, "nobody is known, and the configuration names no place to begin",
                    "name one with `bootstrap =` in [dht] of the configuration");
        else if (bad == 0)
                say(ret, "nobody is known yet: the places to begin are being tried",
                    "look again in a few seconds");
        else
                say(ret,
                    bad < named ? "nobody is known yet, and some places to begin are no good"
                                : "nobody is known: no place to begin that the configuration names "
                                  "is any good",
                    "see that they are right, and that those nodes run and let this one in; "
                    "trying goes on");
}
