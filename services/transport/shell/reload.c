/* SIGHUP: what may change while the service runs, changes; the rest is said in the log. */

#include <stdio.h>

#include "common/base/error.h"
#include "common/base/memory.h"
#include "common/daemon/log.h"
#include "services/transport/shell/shell.h"

/* What was opened or made with it stays as it is. */
void shell_remember_fixed(struct shell *s, const struct transport_settings *v) {
        size_t n = 0;

        s->fixed.certificate = v->certificate;
        s->fixed.max_peers = v->max_peers;
        (void) snprintf(s->fixed.network, sizeof(s->fixed.network), "%s %s",
                        s->policy->network.prefix,
                        s->policy->network.mode == NETWORK_PRIVATE ? "private" : "public");
        (void) snprintf(s->fixed.resolver, sizeof(s->fixed.resolver), "%s", v->resolver);
        s->fixed.n_listen = v->listen.n_items;
        memset(s->fixed.listen, 0, sizeof(s->fixed.listen));
        for (size_t i = 0; i < v->listen.n_items && n < sizeof(s->fixed.listen); i++)
                n += (size_t) snprintf(s->fixed.listen + n, sizeof(s->fixed.listen) - n, "%s ",
                                       v->listen.items[i]);
}

static void say_if(bool changed, const char *key) {
        if (changed)
                log_notice("%s: changed, but used only from the next start of transport on", key);
}

static void say_what_stays(struct shell *s, const struct transport_settings *v) {
        struct shell_fixed before = s->fixed;

        shell_remember_fixed(s, v);
        say_if(s->fixed.n_listen != before.n_listen || strcmp(s->fixed.listen, before.listen) != 0,
               "listen");
        say_if(s->fixed.certificate != before.certificate, "certificate");
        say_if(strcmp(s->fixed.resolver, before.resolver) != 0, "resolver");
        say_if(s->fixed.max_peers != before.max_peers, "max-peers");
        say_if(strcmp(s->fixed.network, before.network) != 0, "[network]");
        s->fixed = before;
}

static bool has(const struct addresses *list, const struct multiaddr *a) {
        for (size_t i = 0; i < list->n; i++)
                if (multiaddr_equal(&list->list[i], a))
                        return true;
        return false;
}

static void change_pins(struct shell *s, const struct addresses *before) {
        const struct addresses *now = &s->policy->bootstrap;

        for (size_t i = 0; i < before->n; i++)
                if (!has(now, &before->list[i]))
                        transport_unpin(s->transport, &before->list[i], shell_now(s));
        for (size_t i = 0; i < now->n; i++)
                transport_pin(s->transport, &now->list[i], shell_now(s));
}

int shell_reload(struct service_context *ctx, void *userdata) {
        CLEANUP(policy_freep) struct policy *before = NULL;
        struct transport_config c;
        struct shell *s = userdata;
        struct policy *fresh = policy_new(ctx->config);
        size_t n;

        if (!fresh)
                return service_refuse();
        s->settings = ctx->config; /* the one before is about to be freed */
        before = s->policy;
        s->policy = fresh;
        transport_config_default(&c);
        policy_configure(fresh, s->settings, &c);
        transport_reconfigure(s->transport, &c, shell_now(s));
        n = transport_enforce_allow(s->transport);
        change_pins(s, &before->bootstrap);
        mdns_relay_enforce(&s->mdns);
        say_what_stays(s, s->settings);
        log_notice("configuration read again; %zu peers lost their permission", n);
        shell_find_addresses(s);
        return 0;
}
