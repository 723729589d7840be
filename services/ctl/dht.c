/* quorate dht: how this node's DHT does. */

#include <inttypes.h>

#include "common/base/text.h"
#include "services/ctl/discovery_status.h"
#include "services/ctl/json.h"
#include "services/ctl/people.h"

static void show_json(const Dht__StatusReply *s) {
        bool first = true, none = true;

        fputc('{', stdout);
        json_member_string(stdout, "mode", s->server ? "server" : "client", &first);
        json_member_string(stdout, "mode_reason", s->mode_reason, &first);
        json_member_bool(stdout, "bootstrapped", s->bootstrapped, &first);
        json_member_bool(stdout, "outage", s->outage, &first);
        json_member_u64(stdout, "peers", s->peers, &first);
        json_member_u64(stdout, "servers", s->servers, &first);
        json_member_u64(stdout, "buckets", s->buckets, &first);
        json_key(stdout, "size", &first);
        printf("%.15g", s->size);
        json_key(stdout, "size_low", &first);
        printf("%.15g", s->size_low);
        json_key(stdout, "size_high", &first);
        printf("%.15g", s->size_high);
        json_member_u64(stdout, "seen_hour", s->seen_hour, &first);
        json_member_u64(stdout, "seen_day", s->seen_day, &first);
        json_member_u64(stdout, "seen_week", s->seen_week, &first);
        json_member_u64(stdout, "records", s->records, &first);
        json_member_u64(stdout, "bytes", s->bytes, &first);
        json_member_u64(stdout, "providers", s->providers, &first);
        json_member_u64(stdout, "lookups", s->lookups, &first);
        json_key(stdout, "metrics", &first);
        fputc('{', stdout);
        for (size_t i = 0; i < s->n_metrics; i++) {
                json_key(stdout, s->metrics[i]->name, &none);
                printf("%.15g", s->metrics[i]->value);
        }
        fputs("}}\n", stdout);
}

static void show_text(const struct command_context *ctx, const Dht__StatusReply *s) {
        char text[200], size[100];

        printf("mode       %s: %s\n", s->server ? "server" : "client",
               text_escape(BYTES_STR(s->mode_reason), text, sizeof(text)));
        printf("started    %s%s\n",
               s->bootstrapped ? "yes, the table is filled" : "not yet, no peer has answered",
               s->outage ? "; the network seems to be down" : "");
        printf("table      %u peers, %u of them servers, in %u buckets\n", s->peers, s->servers,
               s->buckets);
        printf("size       %s\n", discovery_status_size(s, size));
        printf("seen       %" PRIu64 " peers in the last hour, %" PRIu64 " in a day, %" PRIu64
               " in a week\n",
               s->seen_hour, s->seen_day, s->seen_week);
        printf("keeps      %" PRIu64 " records (%.1f MiB), %" PRIu64 " providers\n", s->records,
               (double) s->bytes / (1 << 20), s->providers);
        printf("lookups    %u under way\n", s->lookups);
        for (size_t i = 0; ctx->common.verbose && i < s->n_metrics; i++)
                printf("  %-40s %.15g\n", s->metrics[i]->name, s->metrics[i]->value);
}

static int run(const struct command_context *ctx) {
        CLEANUP(unpacked_donep) struct unpacked u = {};
        Types__Empty empty = TYPES__EMPTY__INIT;
        int code;

        if (ctx->operands.n_items != 1 || strcmp(ctx->operands.items[0], "stats") != 0)
                return complain(ctx, EXIT_USAGE, "dht: say stats");
        code = ctl_call(ctx, &discovery_lookup, "Status", &empty, &u);
        if (code)
                return code;
        if (ctx->common.json)
                show_json(u.message);
        else
                show_text(ctx, u.message);
        return EXIT_OK;
}

const struct command command_dht = {
        .name = "dht",
        .usage = "dht stats",
        .summary = "Show how this node's DHT does: mode, table, network size; -v: counters",
        .example = "quorate dht stats --json",
        .run = run,
};
