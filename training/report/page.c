/* The page around what the report has to say. */
#include "page.h"

#include "html.h"

#include <string.h>

#define LINKS "<!-- links -->"

/* White paper, dark text: it is printed too. */
static const char style[] =
    ":root { color-scheme: light; }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0 auto; max-width: 1160px; padding: 0 16px 48px;\n"
    "  color: #1a1a1a; background: #fff;\n"
    "  font: 15px/1.5 system-ui, sans-serif; }\n"
    "h1 { font-size: 26px; line-height: 1.2; margin: 24px 0 4px; }\n"
    "h2 { font-size: 20px; margin: 36px 0 8px; padding-top: 8px;\n"
    "  border-top: 2px solid #1a1a1a; }\n"
    "h3 { font-size: 16px; margin: 16px 0 4px; overflow-wrap: anywhere; }\n"
    "header p { margin: 0; color: #555; }\n"
    "nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 8px; }\n"
    "a { color: #00588c; }\n"
    "p, li, figcaption { overflow-wrap: anywhere; }\n"
    ".note { margin-bottom: 0; font-weight: 600; }\n"
    ".charts { display: grid; gap: 20px 36px;\n"
    "  grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr));"
    "\n}\n"
    "figure { margin: 0; min-width: 0; }\n"
    "figcaption p { margin: 0; color: #444; font-size: 14px; }\n"
    ".chart { max-width: 560px; }\n"
    ".chart > svg { width: 100%; height: auto; display: block; }\n"
    "svg text { font: 12.5px system-ui, sans-serif; }\n"
    ".grid text { fill: #333; }\n"
    ".grid path { stroke: #d4d4d4; fill: none; }\n"
    ".grid .diagonal { stroke: #767676; stroke-dasharray: 4 3; }\n"
    ".line { stroke-width: 2; stroke-linejoin: round; }\n"
    ".marker { stroke: #fff; stroke-width: .8; }\n"
    ".legend { list-style: none; margin: 4px 0; padding: 0; display: flex;\n"
    "  flex-wrap: wrap; gap: 2px 18px; font-size: 14px; }\n"
    ".legend svg { vertical-align: middle; }\n"
    ".none { padding: 24px; border: 1px dashed #999; }\n"
    ".wide { overflow-x: auto; }\n"
    "details { font-size: 14px; }\n"
    "summary { cursor: pointer; padding: 4px 0; }\n"
    "details .wide { max-height: 420px; overflow-y: auto; }\n"
    "table { border-collapse: collapse; font-size: 14px; margin: 4px 0; }\n"
    "caption { text-align: left; color: #444; }\n"
    "th, td { padding: 3px 9px; border-bottom: 1px solid #ddd;\n"
    "  text-align: right; font-variant-numeric: tabular-nums; }\n"
    "th:first-child, .text td, .text th, .words { text-align: left; }\n"
    ".words { white-space: nowrap; }\n"
    ".text td { overflow-wrap: anywhere; min-width: 90px; }\n"
    ".matrix td { border: 1px solid #ccc; }\n"
    ".side { display: grid; gap: 12px;\n"
    "  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));"
    "\n}\n"
    ".boxes { max-width: 480px; }\n"
    ".boxes svg { width: 100%; height: auto; display: block; }\n"
    ".boxes rect { fill: none; stroke-width: 1.6; }\n"
    ".boxes .under { stroke: #fff; stroke-width: 3.2; stroke-opacity: .8; }\n"
    ".boxes text { font-size: 11px; font-weight: 600; stroke: #fff;\n"
    "  stroke-width: 2.5;\n"
    "  paint-order: stroke; }\n"
    ".photo { max-width: 100%; height: auto; }\n"
    ".maps td, .maps thead th + th { text-align: center; font-size: 13px; }\n"
    ".map { image-rendering: pixelated; display: block; max-width: none; }\n"
    ".key span { display: inline-block; width: 20px; height: 12px; }\n"
    "@media (max-width: 520px) { .grid text { font-size: 16px; } }\n"
    "@media print {\n"
    "  body { max-width: none; padding: 0; font-size: 12px; }\n"
    "  nav, details:not([open]) { display: none; }\n"
    "  .charts { grid-template-columns: 1fr 1fr; }\n"
    "  figure, .picture, tr { break-inside: avoid; }\n"
    "  h2, h3 { break-after: avoid; }\n"
    "  .wide { overflow: visible; }\n"
    "  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }\n"
    "}\n";

GString *
defcn_page_begin (const char *title)
{
  GString *html = g_string_new (
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\">\n"
      /* Whatever a file's text may have in it, nothing runs or is fetched. */
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
      "'none'; img-src data:; style-src 'unsafe-inline'\">\n<title>");
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *date = g_date_time_format (now, "%Y-%m-%d %H:%M");

  defcn_html_text (html, title);
  g_string_append_printf (html,
      "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", style);
  defcn_html_text (html, title);
  g_string_append_printf (html,
      "</h1>\n<p>defcn %s, %s</p>\n<nav aria-label=\"Sections\">\n" LINKS
      "</nav>\n</header>\n<main>\n",
      DEFCN_VERSION, date);
  return html;
}

void
defcn_page_section (GString *html, const char *id, const char *title)
{
  const char *const links = strstr (html->str, LINKS);
  g_autofree char *link =
      g_strdup_printf ("<a href=\"#%s\">%s</a>\n", id, title);

  g_return_if_fail (links != NULL);
  if (!g_str_has_suffix (html->str, "<main>\n"))
    g_string_append (html, "</section>\n");
  g_string_insert (html, links - html->str, link);
  g_string_append_printf (html,
      "<section id=\"%s\" aria-labelledby=\"%s-head\">\n"
      "<h2 id=\"%s-head\">%s</h2>\n",
      id, id, id, title);
}

void
defcn_page_end (GString *html)
{
  const char *const links = strstr (html->str, LINKS);

  g_return_if_fail (links != NULL);
  g_string_erase (html, links - html->str, strlen (LINKS));
  g_string_append (html, "</section>\n</main>\n</body>\n</html>\n");
}
