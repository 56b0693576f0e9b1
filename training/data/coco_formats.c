/* Other formats of JSON that people take for COCO's. */
#include "coco_formats.h"

static const struct
{
  const char *key, *format;
} formats[] = {
  { "shapes", "labelme's, one file for each picture" },
  { "_via_img_metadata", "the project of VIA" },
  { "assets", "the project of VoTT" },
  { "items", "Datumaro's" },
  { "data_list", "MMEngine's" },
  { "objects", "Supervisely's, one file for each picture" },
  { "labels", "FiftyOne's" },
  { "features", "GeoJSON" },
};

const char *
defcn_coco_formats_find (const DefcnJsonSpan *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    if (defcn_json_scan_equal (key, formats[i].key))
      return formats[i].format;
  return NULL;
}
