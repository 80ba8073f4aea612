//! The Markdown of a page, taken apart into what a terminal and `man` can both show.
//!
//! Pure. A row of a table becomes an entry of a list under its first cell, since cells of sentences
//! fit no terminal side by side; what stands in comments is for whoever edits the page.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A part of a page that stands by itself.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    /// The page's first line: its name, and what it is about.
    Title(Text),
    /// The head of a section, or of a part of one.
    Heading { is_part: bool, text: Text },
    /// A paragraph, in so many lists.
    Paragraph {
        depth: usize,
        mark: Mark,
        text: Text,
    },
    /// Lines that are shown as they are.
    Verbatim { depth: usize, text: String },
}

/// What stands before a paragraph.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Mark {
    #[default]
    Nothing,
    Bullet,
    Number(u64),
    /// What the paragraph explains.
    Term(Text),
}

/// Running text; a newline in it begins a new line.
pub(super) type Text = Vec<Span>;

/// Text in one face.
#[derive(Debug, PartialEq)]
pub(super) struct Span {
    pub(super) face: Face,
    pub(super) text: String,
}

/// How text is set off.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Face {
    #[default]
    Plain,
    /// Code, and what is stressed strongly.
    Bold,
    Italic,
}

/// Takes a page apart.
pub(super) fn blocks(markdown: &str) -> Vec<Block> {
    let mut builder = Builder::default();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        builder.take(event);
    }
    builder.blocks
}

#[derive(Default)]
struct Builder {
    blocks: Vec<Block>,
    text: Text,
    face: Face,
    /// The lists that are open, each with the number of its next item if it has numbers.
    lists: Vec<Option<u64>>,
    mark: Mark,
    /// The cells of a table's first row, then those of the row at hand.
    heads: Vec<Text>,
    cells: Vec<Text>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.say(self.face, &text),
            Event::Code(text) => self.say(Face::Bold, &text),
            Event::SoftBreak => self.say(Face::Plain, " "),
            Event::HardBreak => self.say(Face::Plain, "\n"),
            _ => {}
        }
    }

    fn say(&mut self, face: Face, text: &str) {
        self.text.push(Span {
            face,
            text: text.to_owned(),
        });
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Emphasis => self.face = Face::Italic,
            Tag::Strong => self.face = Face::Bold,
            Tag::List(first) => {
                self.end_paragraph();
                self.lists.push(*first);
            }
            Tag::Item => {
                self.mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number = number.saturating_add(1);
                        Mark::Number(number.saturating_sub(1))
                    }
                    _ => Mark::Bullet,
                };
            }
            Tag::CodeBlock(_) => self.end_paragraph(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong => self.face = Face::Plain,
            TagEnd::Paragraph | TagEnd::Item => self.end_paragraph(),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                self.blocks.push(match level {
                    HeadingLevel::H1 => Block::Title(text),
                    level => Block::Heading {
                        is_part: level > HeadingLevel::H2,
                        text,
                    },
                });
            }
            TagEnd::CodeBlock => {
                let spans = std::mem::take(&mut self.text).into_iter();
                self.blocks.push(Block::Verbatim {
                    depth: self.lists.len(),
                    text: spans.map(|span| span.text).collect(),
                });
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.text)),
            TagEnd::TableHead => self.heads = std::mem::take(&mut self.cells),
            TagEnd::TableRow => self.end_row(),
            _ => {}
        }
    }

    fn end_paragraph(&mut self) {
        if self.text.is_empty() {
            return;
        }
        self.blocks.push(Block::Paragraph {
            depth: self.lists.len(),
            mark: std::mem::take(&mut self.mark),
            text: std::mem::take(&mut self.text),
        });
    }

    /// Of more than two cells, those behind the first say what they are. A first cell alone is the
    /// head of the rows below.
    fn end_row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells).into_iter();
        let first = cells.next().unwrap_or_default();
        let is_pair = self.heads.len() == 2;
        let mut text = Text::new();
        for (head, cell) in self.heads.iter().skip(1).zip(cells) {
            if cell.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(span(Face::Plain, "\n"));
            }
            if !is_pair {
                let head: String = head.iter().map(|span| span.text.as_str()).collect();
                text.push(span(Face::Italic, &head));
                text.push(span(Face::Plain, ": "));
            }
            text.extend(cell);
        }
        self.blocks.push(if text.is_empty() {
            Block::Heading {
                is_part: true,
                text: first,
            }
        } else {
            Block::Paragraph {
                depth: 1,
                mark: Mark::Term(first),
                text,
            }
        });
    }
}

fn span(face: Face, text: &str) -> Span {
    Span {
        face,
        text: text.to_owned(),
    }
}
