#pragma once

/* What we tell the manager (systemd, or `quorate run`, which speaks the same
 * NOTIFY_SOCKET protocol, sd_notify(3)). Without one, all of these do nothing. The
 * socket is opened once, before the sandbox takes socket() away. */

/* Before the sandbox; harmless twice. */
void notify_init(void);

void notify_ready(void);
void notify_reloading(void); /* notify_ready() ends it */
void notify_stopping(void);
void notify_watchdog(void);          /* still alive: WATCHDOG=1 */
void notify_layers(unsigned layers); /* enum sandbox_layer, for `quorate run`: X_LAYERS=N */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
