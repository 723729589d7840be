#include "common/daemon/cgroup_paths.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/memory.h"

bool cgroup_has_word(const char *list, const char *word, const char *separators) {
        size_t n = strlen(word);

        for (const char *p = list; *p; p += strspn(p, separators)) {
                size_t len = strcspn(p, separators);

                if (len == n && strncmp(p, word, n) == 0)
                        return true;
                p += len;
        }
        return false;
}

/* Our path in the hierarchy of `controller` ("" for v2): lines of number:list:path. */
static bool own_path(const char *own, const char *controller, char ret[PATH_MAX]) {
        CLEANUP(freep) char *text = xstrdup(own);
        char *save = NULL;

        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
                char *list = strchr(l, ':'), *path = list ? strchr(list + 1, ':') : NULL;

                if (!path)
                        continue;
                *path++ = 0;
                if (*controller ? !cgroup_has_word(list + 1, controller, ",") : list[1] != 0)
                        continue;
                /* "/../x": outside of the cgroup namespace we are in. */
                if (path[0] != '/' || strncmp(path, "/..", 3) == 0)
                        return false;
                return snprintf(ret, PATH_MAX, "%s", path) < PATH_MAX;
        }
        return false;
}

/* Blanks and the like are written as three octal digits. */
static void unescape(char *text) {
        char *to = text;

        for (const char *c = text; *c; c++) {
                if (c[0] == '\\' && c[1] >= '0' && c[1] <= '3' && c[2] >= '0' && c[2] <= '7' &&
                    c[3] >= '0' && c[3] <= '7') {
                        *to++ = (char) ((c[1] - '0') * 64 + (c[2] - '0') * 8 + (c[3] - '0'));
                        c += 3;
                } else {
                        *to++ = *c;
                }
        }
        *to = 0;
}

/* What of `path` lies below `root`: "" or "/…"; NULL: it does not. */
static const char *below(const char *path, const char *root) {
        size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);

        if (strncmp(path, root, n) != 0 || (path[n] != 0 && path[n] != '/'))
                return NULL;
        return path[n] && path[n + 1] ? path + n : "";
}

/* id parent dev root point options - type source super-options. */
char *cgroup_folder(const char *own, const char *line, const char *type, const char *controller) {
        char root[PATH_MAX], point[PATH_MAX], found[64], super[512], path[PATH_MAX];
        const char *tail = strstr(line, " - "), *rest;

        if (!tail || sscanf(line, "%*d %*d %*s %4095s %4095s", root, point) != 2 ||
            sscanf(tail, " - %63s %*s %511s", found, super) != 2)
                return NULL;
        if (strcmp(found, type) != 0 || (*controller && !cgroup_has_word(super, controller, ",")) ||
            !own_path(own, controller, path))
                return NULL;
        unescape(root);
        unescape(point);
        /* A mount of a subtree shows paths without that subtree's own. */
        rest = below(path, root);
        return rest ? xasprintf("%s%s", point, rest) : NULL;
}
