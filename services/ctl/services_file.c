#include "services/ctl/services_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"
#include "common/daemon/namespace.h"

#define SIZE_LIMIT 16384

static bool member(const char *object, const char *name, char *ret, size_t size) {
        const char *at = strstr(object, name), *end;

        if (!at)
                return false;
        at += strlen(name);
        end = at + strcspn(at, at[-1] == '"' ? "\"" : ",}"); /* a text may have commas */
        (void) snprintf(ret, size, "%.*s", (int) (end - at), at);
        return true;
}

static void read_row(const char *at, struct services_row *ret) {
        char number[16] = "";

        *ret = (struct services_row){};
        (void) member(at, "\"service\":\"", ret->name, sizeof(ret->name));
        (void) member(at, "\"state\":\"", ret->state, sizeof(ret->state));
        (void) member(at, "\"isolation\":\"", ret->isolation, sizeof(ret->isolation));
        if (member(at, "\"pid\":", number, sizeof(number)))
                ret->pid = atoi(number);
        if (member(at, "\"uid\":", number, sizeof(number)))
                ret->uid = (unsigned) strtoul(number, NULL, 10);
}

bool services_file_read(const char *runtime, struct services_file *ret) {
        char path[PATH_MAX + 32], text[SIZE_LIMIT], number[16] = "";
        size_t n = 0;
        FILE *f;

        *ret = (struct services_file){};
        (void) snprintf(path, sizeof(path), "%s/services.json", runtime);
        f = fopen(path, "re");
        if (f) {
                n = fread(text, 1, sizeof(text) - 1, f);
                (void) fclose(f);
        }
        text[n] = 0;
        if (member(text, "\"supervisor\":", number, sizeof(number)))
                ret->supervisor = atoi(number);
        (void) member(text, "\"state_folder\":\"", ret->state, sizeof(ret->state));
        (void) member(text, "\"configuration\":\"", ret->config, sizeof(ret->config));
        for (const char *at = text;
             ret->n_rows < SERVICES_FILE_ROWS && (at = strstr(at, "{\"service\":\"")); at++)
                read_row(at, &ret->rows[ret->n_rows++]);
        return ret->supervisor > 0 && (kill(ret->supervisor, 0) == 0 || errno == EPERM);
}

bool services_row_has(const struct services_row *row, const char *layer) {
        size_t n = strlen(layer);

        for (const char *at = row->isolation; *at; at += strcspn(at, ","), at += *at == ',')
                if (strncmp(at, layer, n) == 0 && (at[n] == 0 || at[n] == ','))
                        return true;
        return false;
}

const char *services_row_text(const struct services_row *row, char ret[400]) {
        static const char *const confinement[] = { "landlock", "seccomp" };
        bool none = true;
        int n = snprintf(ret, 400, "uid %u%s, namespaces", row->uid,
                         services_row_has(row, "uid") ? "" : " (shared)");

        for (size_t i = 0; i < ELEMENTSOF(namespace_names); i++)
                if (services_row_has(row, namespace_names[i])) {
                        n += snprintf(ret + n, 400 - (size_t) n, " %s", namespace_names[i]);
                        none = false;
                }
        if (none)
                n += snprintf(ret + n, 400 - (size_t) n, " none");
        for (size_t i = 0; i < ELEMENTSOF(confinement); i++)
                n += snprintf(ret + n, 400 - (size_t) n, ", %s%s",
                              services_row_has(row, confinement[i]) ? "" : "no ", confinement[i]);
        return ret;
}
