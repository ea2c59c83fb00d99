//! Mutation points: places in a source file, and their mutations. They are those of cargo-mutants (bodies, operators,
//! match arms, guards), plus deleted statements, inverted conditions and opposite methods. Numbers are not changed:
//! most of them in this code are block sizes and time limits, which change no result.

use std::ops::Range;

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, BinOp, Block, Expr, GenericArgument, Item, Lit, Macro, Pat, PathArguments, ReturnType, Signature, Stmt,
    Token, Type, UnOp,
};

/// One change of a source file.
pub struct Mutant {
    /// Path below `src`.
    pub file: String,
    /// Type and name of the function.
    pub function: String,
    /// Source before and after, as text.
    pub change: String,
    /// Range that is changed, and its new text.
    pub edit: Edit,
    /// `true` if the compiler rejects it.
    pub dropped: bool,
    /// `true` if it belongs to another build.
    pub elsewhere: bool,
}

impl Mutant {
    pub fn is_built(&self) -> bool {
        !self.dropped && !self.elsewhere
    }

    /// Returns the name of a mutant. It has no line number, since that changes with every edit of a file.
    pub fn name(&self) -> String {
        format!("{}: {}: {}", self.file, self.function, self.change)
    }
}

/// Replacement of a range of bytes.
#[derive(Clone)]
pub struct Edit {
    pub at: Range<usize>,
    pub text: String,
}

/// Kind of code at a point; it determines the syntax of the choice between original and mutant.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Expression: `(if on { mutant } else { original })`.
    Expression,
    /// Statement, which the mutant deletes: `if on {} else { original }`.
    Statement,
    /// Start of a function's body: `if on { mutant }`.
    Body,
    /// End of a pattern without a guard: ` if !on`.
    Arm,
    /// Guard: `!on && (original)`.
    Guard,
}

/// Place in a file, with its mutants.
pub struct Point {
    pub kind: Kind,
    pub at: Range<usize>,
    /// Indices into the file's mutants.
    pub mutants: Vec<usize>,
}

/// Points and mutants of one file.
pub struct File {
    pub path: String,
    pub text: String,
    pub points: Vec<Point>,
    pub mutants: Vec<Mutant>,
}

/// Finds all points of a file.
pub fn find(path: &str, text: &str) -> File {
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file = File { path: path.into(), text: text.into(), points: vec![], mutants: vec![] };
    let mut finder = Finder { file, function: vec![], owner: String::new() };
    finder.visit_file(&parsed);
    let mut file = finder.file;
    number_repeated(&mut file.mutants);
    file
}

/// Adds `(2)` and so on to changes that occur more than once in a function.
fn number_repeated(mutants: &mut [Mutant]) {
    let mut seen = std::collections::HashMap::new();
    for mutant in mutants {
        let count = seen.entry(mutant.name()).or_insert(0);
        *count += 1;
        if *count > 1 {
            mutant.change = format!("{} ({count})", mutant.change);
        }
    }
}

struct Finder {
    file: File,
    /// Names of the enclosing functions.
    function: Vec<String>,
    /// Type of the enclosing `impl`.
    owner: String,
}

/// Returns the replacements of an operator. A comparison becomes its opposite.
fn operators(op: &BinOp) -> &'static [&'static str] {
    match op {
        BinOp::Lt(_) => &[">="],
        BinOp::Le(_) => &[">"],
        BinOp::Gt(_) => &["<="],
        BinOp::Ge(_) => &["<"],
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Add(_) => &["-"],
        BinOp::Sub(_) => &["+"],
        BinOp::Mul(_) => &["+"],
        BinOp::Div(_) => &["*"],
        BinOp::Rem(_) => &["/"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::BitAnd(_) => &["|"],
        BinOp::BitOr(_) => &["&"],
        BinOp::BitXor(_) => &["|"],
        BinOp::AddAssign(_) => &["-="],
        BinOp::SubAssign(_) => &["+="],
        BinOp::MulAssign(_) => &["/="],
        BinOp::DivAssign(_) => &["*="],
        BinOp::BitOrAssign(_) => &["&="],
        BinOp::BitAndAssign(_) => &["|="],
        _ => &[],
    }
}

/// Methods and their replacements.
const METHODS: [(&str, &str); 14] = [
    ("min", "max"),
    ("max", "min"),
    ("any", "all"),
    ("all", "any"),
    ("floor", "ceil"),
    ("ceil", "floor"),
    ("first", "last"),
    ("last", "first"),
    ("is_some", "is_none"),
    ("is_none", "is_some"),
    ("is_ok", "is_err"),
    ("is_err", "is_ok"),
    ("is_some_and", "is_none_or"),
    ("is_none_or", "is_some_and"),
];

impl Finder {
    fn text(&self, at: Range<usize>) -> &str {
        &self.file.text[at]
    }

    /// Adds a point with a mutant for each edit.
    fn point(&mut self, kind: Kind, at: Range<usize>, edits: Vec<(Edit, String)>) {
        // Code with attributes cannot stand in parentheses.
        if self.function.is_empty() || edits.is_empty() || self.file.text[at.clone()].starts_with('#') {
            return;
        }
        let function = match self.owner.as_str() {
            "" => self.function.join("::"),
            owner => format!("{owner}::{}", self.function.join("::")),
        };
        let first = self.file.mutants.len();
        for (edit, change) in edits {
            let (file, function) = (self.file.path.clone(), function.clone());
            self.file.mutants.push(Mutant { file, function, change, edit, dropped: false, elsewhere: false });
        }
        let mutants = (first..self.file.mutants.len()).collect();
        self.file.points.push(Point { kind, at, mutants });
    }

    /// Creates an edit of a range, named by the line that it changes.
    fn edit(&self, at: Range<usize>, text: &str) -> (Edit, String) {
        let source = &self.file.text;
        let start = source[..at.start].rfind('\n').map_or(0, |i| i + 1);
        let end = source[at.end..].find('\n').map_or(source.len(), |i| at.end + i);
        let after = format!("{}{text}{}", &source[start..at.start], &source[at.end..end]);
        let change = format!("`{}` → `{}`", shortened(&source[start..end]), shortened(&after));
        (Edit { at, text: text.into() }, change)
    }

    fn replace(&mut self, at: Range<usize>, texts: &[&str]) {
        let edits = texts.iter().map(|text| self.edit(at.clone(), text)).collect();
        self.point(Kind::Expression, at, edits);
    }

    fn body(&mut self, signature: &Signature, block: &Block) {
        let open = block.brace_token.span.open().byte_range().end;
        let inside = open..block.brace_token.span.close().byte_range().start;
        let body = shortened(self.text(inside.clone()));
        let returned = match &signature.output {
            ReturnType::Default => vec![String::new()],
            ReturnType::Type(_, kind) => values(kind),
        };
        let edits = returned.into_iter().filter(|value| !body.is_empty() && *value != body).map(|value| {
            let text = if value.is_empty() { "return;".into() } else { format!("return {value};") };
            let name = if value.is_empty() { "()" } else { &value };
            (Edit { at: open..open, text }, format!("body → `{name}`"))
        });
        let edits = edits.collect();
        self.point(Kind::Body, open..open, edits);
    }

    fn function(&mut self, signature: &Signature, attributes: &[Attribute], block: &Block) {
        if signature.constness.is_some() || is_left_out(attributes) {
            return;
        }
        self.function.push(signature.ident.to_string());
        self.body(signature, block);
        self.visit_block(block);
        self.function.pop();
    }
}

/// Returns values of a type that a function may return instead of its own; none if no value is known.
fn values(kind: &Type) -> Vec<String> {
    let owned = |values: &[&str]| values.iter().map(ToString::to_string).collect();
    match kind {
        Type::Tuple(tuple) if tuple.elems.is_empty() => owned(&["()"]),
        Type::Tuple(tuple) => {
            let parts: Option<Vec<String>> = tuple.elems.iter().map(|kind| values(kind).into_iter().next()).collect();
            parts.map_or(vec![], |parts| vec![format!("({})", parts.join(", "))])
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => owned(&["\"\"", "\"other\""]),
            Type::Slice(_) if reference.mutability.is_none() => owned(&["&[]"]),
            _ => vec![],
        },
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return vec![] };
            let inner = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(kind) => Some(values(kind)),
                    _ => None,
                }),
                _ => None,
            };
            let inner = inner.unwrap_or_default();
            let wrapped = |outer: &str| inner.iter().map(|value| format!("{outer}({value})")).collect::<Vec<_>>();
            match last.ident.to_string().as_str() {
                "bool" => owned(&["true", "false"]),
                "usize" | "u64" | "u32" | "u16" | "u8" | "i64" | "i32" | "isize" => owned(&["0", "1"]),
                "f32" | "f64" => owned(&["0.0", "1.0"]),
                "String" => owned(&["String::new()", "\"other\".into()"]),
                "Cow" => owned(&["\"\".into()"]),
                "Vec" => owned(&["vec![]"]),
                "Option" => [owned(&["None"]), wrapped("Some")].concat(),
                "Result" => wrapped("Ok"),
                "Box" => wrapped("Box::new"),
                "ExitCode" => owned(&["std::process::ExitCode::SUCCESS"]),
                _ => owned(&["Default::default()"]),
            }
        }
        _ => vec![],
    }
}

/// Matches tests, and code for other platforms.
fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let text = match &attribute.meta {
            syn::Meta::List(list) => list.tokens.to_string().replace(' ', ""),
            _ => String::new(),
        };
        let foreign = ["not(target_arch", "windows", "not(unix", "target_os", "not(feature", "not(target_pointer"];
        attribute.path().is_ident("test") || is_cfg && (text == "test" || foreign.iter().any(|f| text.starts_with(f)))
    })
}

/// Returns text on one line, of limited length.
fn shortened(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 {
        line = line.chars().take(159).collect::<String>() + "…";
    }
    line
}

fn range(span: Span) -> Range<usize> {
    span.byte_range()
}

/// Conditions joined with `let` cannot stand in parentheses.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn is_capacity(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|last| last.ident == "with_capacity")
}

/// Returns `true` for a condition that no other mutant inverts.
fn is_plain(condition: &Expr) -> bool {
    match condition {
        Expr::MethodCall(_) | Expr::Call(_) | Expr::Path(_) | Expr::Field(_) => true,
        Expr::Macro(expression) => expression.mac.path.is_ident("matches"),
        _ => false,
    }
}

impl<'a> Visit<'a> for Finder {
    // Patterns, types and attributes have no expressions that run.
    fn visit_pat(&mut self, _: &'a Pat) {}
    fn visit_type(&mut self, _: &'a Type) {}
    fn visit_attribute(&mut self, _: &'a Attribute) {}
    fn visit_generic_argument(&mut self, _: &'a GenericArgument) {}
    fn visit_variant(&mut self, _: &'a syn::Variant) {}
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}

    fn visit_item(&mut self, item: &'a Item) {
        match item {
            Item::Const(_) | Item::Static(_) | Item::Trait(_) | Item::Impl(_) | Item::Fn(_) | Item::Mod(_) => {
                visit::visit_item(self, item);
            }
            Item::Macro(item) if item.mac.path.is_ident("widest") => self.visit_macro(&item.mac),
            _ => {}
        }
    }

    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'a syn::TraitItemConst) {}

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_left_out(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        // Formatted text: no result depends on it.
        let is_text = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        if is_text.is_some_and(|last| last.ident == "Display" || last.ident == "Debug") || is_left_out(&item.attrs) {
            return;
        }
        let owner = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.owner, owner.unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.owner = outer;
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        let outer = std::mem::replace(&mut self.owner, item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.owner = outer;
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.function(&item.sig, &item.attrs, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.function(&item.sig, &item.attrs, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, &item.attrs, block);
        }
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::Expr(expression, Some(semicolon)) = statement {
            let deleted = match expression {
                Expr::Binary(binary) => !operators(&binary.op).is_empty(),
                // An early drop mostly ends a borrow.
                Expr::Call(call) => !matches!(&*call.func, Expr::Path(path) if path.path.is_ident("drop")),
                Expr::Assign(_) | Expr::MethodCall(_) => true,
                Expr::Return(_) | Expr::Continue(_) | Expr::Break(_) => true,
                Expr::Try(tried) => matches!(&*tried.expr, Expr::Call(_) | Expr::MethodCall(_)),
                _ => false,
            };
            if deleted {
                let at = range(expression.span()).start..range(semicolon.span()).end;
                let change = format!("`{}` deleted", shortened(self.text(at.clone())));
                self.point(Kind::Statement, at.clone(), vec![(Edit { at, text: String::new() }, change)]);
            }
        }
        if let Stmt::Macro(statement) = statement {
            self.visit_macro(&statement.mac);
            return;
        }
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Expr(Expr::Unsafe(expression), _) => &expression.attrs,
            Stmt::Expr(Expr::Block(expression), _) => &expression.attrs,
            _ => &[],
        };
        if is_left_out(attributes) {
            return;
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        let Some(init) = &local.init else { return };
        self.visit_expr(&init.expr);
        if let Some((_, diverging)) = &init.diverge
            && let Expr::Block(block) = &**diverging
        {
            // The last statement must stay: without it the block would not diverge.
            for (index, statement) in block.block.stmts.iter().enumerate() {
                match statement {
                    Stmt::Expr(last, _) if index + 1 == block.block.stmts.len() => visit::visit_expr(self, last),
                    _ => self.visit_stmt(statement),
                }
            }
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let at = range(expression.span());
        match expression {
            Expr::Binary(binary) if !has_let(expression) => {
                let op = range(binary.op.span());
                let edits = operators(&binary.op).iter().map(|text| self.edit(op.clone(), text)).collect();
                self.point(Kind::Expression, at, edits);
            }
            Expr::Unary(unary) if !matches!(unary.op, UnOp::Deref(_)) => {
                let edit = self.edit(range(unary.op.span()), "");
                self.point(Kind::Expression, at, vec![edit]);
            }
            Expr::Lit(literal) => {
                if let Lit::Bool(value) = &literal.lit {
                    self.replace(at, &[if value.value { "false" } else { "true" }]);
                }
            }
            Expr::MethodCall(call) => {
                if let Some((_, to)) = METHODS.iter().find(|(from, _)| call.method == from) {
                    let edit = self.edit(range(call.method.span()), to);
                    self.point(Kind::Expression, at, vec![edit]);
                }
            }
            Expr::If(conditional) if is_plain(&conditional.cond) => self.inverted(&conditional.cond),
            Expr::While(repeated) if is_plain(&repeated.cond) => self.inverted(&repeated.cond),
            Expr::Match(choice) => self.arms(choice),
            // The initial capacity of memory changes no result.
            Expr::Call(call) if matches!(&*call.func, Expr::Path(path) if is_capacity(&path.path)) => return,
            Expr::Repeat(repeat) => {
                self.visit_expr(&repeat.expr);
                return;
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_macro(&mut self, item: &'a Macro) {
        let tokens = item.tokens.clone();
        let Some(name) = item.path.segments.last().map(|last| last.ident.to_string()) else { return };
        match name.as_str() {
            "widest" => {
                if let Ok(file) = syn::parse2::<syn::File>(tokens) {
                    file.items.iter().for_each(|item| self.visit_item(item));
                }
            }
            "vec" => {
                let list = Punctuated::<Expr, Token![,]>::parse_terminated;
                if let Ok(list) = syn::parse::Parser::parse2(list, tokens.clone()) {
                    list.iter().for_each(|expression| self.visit_expr(expression));
                } else if let Ok(parts) = syn::parse2::<Repeated>(tokens) {
                    self.visit_expr(&parts.value);
                    self.visit_expr(&parts.count);
                }
            }
            "matches" | "assert" | "debug_assert" => {
                let first = |input: syn::parse::ParseStream| {
                    let first = input.parse::<Expr>();
                    input.parse::<proc_macro2::TokenStream>()?;
                    first
                };
                if let Ok(first) = syn::parse::Parser::parse2(first, tokens) {
                    self.visit_expr(&first);
                }
            }
            _ => {}
        }
    }
}

/// Arguments of `vec![value; count]`.
struct Repeated {
    value: Expr,
    count: Expr,
}

impl syn::parse::Parse for Repeated {
    fn parse(input: syn::parse::ParseStream) -> syn::Result<Self> {
        let value = input.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Self { value, count: input.parse()? })
    }
}

impl Finder {
    fn inverted(&mut self, condition: &Expr) {
        let at = range(condition.span());
        let inverted = format!("!{}", self.text(at.clone()));
        self.replace(at, &[&inverted]);
    }

    /// Replaces guards by true and false, and deletes arms before a final `_`.
    fn arms(&mut self, choice: &syn::ExprMatch) {
        let last = choice.arms.last();
        let has_rest = last.is_some_and(|arm| arm.guard.is_none() && matches!(arm.pat, Pat::Wild(_)));
        for (index, arm) in choice.arms.iter().enumerate() {
            let pattern = range(arm.pat.span());
            if has_rest && index + 1 < choice.arms.len() {
                let change = format!("arm `{}` left out", shortened(self.text(pattern.clone())));
                let edit = |at: Range<usize>| vec![(Edit { at, text: String::new() }, change.clone())];
                match &arm.guard {
                    None => self.point(Kind::Arm, pattern.end..pattern.end, edit(pattern.end..pattern.end)),
                    Some((_, guard)) if !has_let(guard) => {
                        let at = range(guard.span());
                        self.point(Kind::Guard, at.clone(), edit(at));
                    }
                    Some(_) => {}
                }
            }
            if let Some((_, guard)) = &arm.guard
                && !has_let(guard)
            {
                self.replace(range(guard.span()), &["true", "false"]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
const LIMIT: usize = 4 + 1;
impl Meter {
    fn read(&mut self, at: usize) -> Result<bool> {
        self.count += 1;
        let Some(next) = self.next(at) else { return Ok(false); };
        match at {
            0 if self.open => Ok(next < at && !self.closed),
            _ => Ok([0; 2].len() > at),
        }
    }
}
#[cfg(test)]
mod tests {
    fn test() -> bool { 1 < 2 }
}
impl fmt::Display for Meter {
    fn fmt(&self) -> bool { 1 < 2 }
}
"#;

    fn changes() -> Vec<String> {
        find("meter.rs", SOURCE).mutants.iter().map(Mutant::name).collect()
    }

    #[test]
    fn each_kind_of_change_is_found_once() {
        let wanted = [
            "body → `Ok(true)`",
            "body → `Ok(false)`",
            "`self.count += 1;` deleted",
            "`self.count += 1;` → `self.count -= 1;`",
            "arm `0` left out",
            "`0 if self.open => Ok(next < at && !self.closed),` → `0 if true => Ok(next < at && !self.closed),`",
            "`0 if self.open => Ok(next < at && !self.closed),` → `0 if self.open => Ok(next >= at && !self.closed),`",
            "`0 if self.open => Ok(next < at && !self.closed),` → `0 if self.open => Ok(next < at || !self.closed),`",
            "`0 if self.open => Ok(next < at && !self.closed),` → `0 if self.open => Ok(next < at && self.closed),`",
        ];
        let changes = changes();
        for change in wanted {
            let name = format!("meter.rs: Meter::read: {change}");
            assert_eq!(changes.iter().filter(|found| **found == name).count(), 1, "{name} in {changes:#?}");
        }
    }

    #[test]
    fn constants_lengths_texts_tests_and_diverging_statements_stay() {
        for part in ["LIMIT", "[0; 1]", "[0; 3]", "tests", "fmt", "return Ok(false);` deleted"] {
            assert!(!changes().iter().any(|change| change.contains(part)), "{part}");
        }
    }
}
