/* What is known of the cameras, as JSON.
 *
 * Thread rule: the main thread.
 */
#pragma once

#include "fleet.h"

G_BEGIN_DECLS

/* (transfer full): {"status":"ok"|"degraded","running":N,
 * "cameras":{NAME:{..}}}; *@ok: whether every camera has frames. */
char *live_status_health (LiveFleet *fleet, gboolean *ok);

/* (transfer full): {"login":..,"cameras":[{"id":..,"name":..,..,"record":{..}},
 * ..]}; @login: whether one can log out. */
char *live_status_page (LiveFleet *fleet, gboolean login);

G_END_DECLS
