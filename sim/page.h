/* sim/page.h - the page that shows a timeline: what stands before its data and behind it.
 *
 * One file without anything from elsewhere: it is opened as it lies there, and its policy lets it load nothing. */
#ifndef WEFT_SIM_PAGE_H
#define WEFT_SIM_PAGE_H

/* From its beginning to the title's text, from there to the heading's, and from there to the script, which is to have
 * `lanes`, names, and `marks`, rows of [at, kind, lane, other, number, text], before the last two parts. */
extern const char weft_page_title[], weft_page_heading[], weft_page_script[], weft_page_drawing[], weft_page_moving[];

#endif
