/* Names of pictures in annotations, and the files that they mean.
 *
 * A name is a path below the folder of images.  Where there is no such file, it
 * is also taken
 *  - with slashes for backslashes, and "%20" and the like for what they say;
 *  - without what the end of the folder's own path says too: "images/a.jpg" in
 *    "photos/images";
 *  - without the address of a server, Label Studio's ".../data/upload/1/a.jpg"
 *    and ".../data/local-files/?d=a.jpg", and the "1a2b3c4d-" before the names
 *    of what was uploaded;
 *  - with .jpg, .jpeg, .png or .webp, if it has no ending.
 * None of that leads out of the folder.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* NULL where @name stays below @folder, else what is wrong with it; borrowed,
 * "is absolute" and what to do. */
const char *defcn_image_name_problem (const char *folder, const char *name);
/* The path of the file that @name means, or would mean; (transfer full).
 * @absolute: names may be absolute, or leave the folder. */
char *defcn_image_name_path (const char *folder, const char *name,
    gboolean absolute);

G_END_DECLS
