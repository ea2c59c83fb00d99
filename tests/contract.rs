//! Shaders agree with their Rust files, by reflection on the compiled WGSL, without a GPU.
//!
//! Every `shaders/*.wgsl` belongs to a kernel. Its bindings, parameters, step record and entry point are those that the kernel
//! declares. naga accepts it, and translates it to SPIR-V, MSL and HLSL. Tint, the compiler of browsers, accepts it, if it is on
//! the PATH.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Handle, Module, ScalarKind, StorageAccess, StructMember, Type, TypeInner};
use wgrad::elementwise::{Function, LossFunction};
use wgrad::kernels;
use wgrad::plan::{Access, Binding, Field, Kernel, Limits, Op, STEP_BYTES, Shader, Step, StepUse};
use wgrad::shape::{Dtype, Shape};
use wgrad::specialize::candidates;

/// All compiled variants: each kernel with each tile that its output can have.
fn variants() -> Vec<Variant> {
    let mut variants: Vec<_> = kernels::ALL
        .into_iter()
        .flat_map(|kernel| ops(kernel).into_iter().map(move |op| Variant::new(kernel, &kernel.shader, &op)))
        .collect();
    let mut seen = BTreeSet::new();
    variants.retain(|variant| seen.insert(variant.wgsl.clone()));
    variants
}

struct Variant {
    name: String,
    kernel: &'static Kernel,
    shader: &'static Shader,
    wgsl: String,
}

impl Variant {
    fn new(kernel: &'static Kernel, shader: &'static Shader, op: &Op) -> Self {
        let name = op.tile.map_or(kernel.name.into(), |tile| format!("{} {tile}", kernel.name));
        Self { name, kernel, shader, wgsl: shader.wgsl(op) }
    }
}

/// Ops of the kernel that compile to different variants: each tile that a matmul can have on a GPU or a software driver, and
/// parameters of 0, of long rows, and of each activation and loss.
fn ops(kernel: &'static Kernel) -> Vec<Op> {
    let op = |parameter| {
        let params = vec![parameter; kernel.params.len()];
        let mut op = Op { kernel, views: Vec::new(), params, items: 1, layer: None, tile: None };
        op.set("function", parameter % Function::ALL.len() as u32);
        op.set("loss", parameter % LossFunction::ALL.len() as u32);
        op
    };
    // Row lengths that are multiples of four, that are not, and both.
    let shapes = [[4096, 4096], [4095, 4095], [4096, 4095], [4095, 4096]]
        .map(|columns| (0..kernel.bindings.len()).map(|i| Shape::new(4096, columns[i % 2])).collect::<Vec<_>>());
    let gpu = Limits { workgroup_bytes: 32 << 10, ..Limits::default() };
    let software = Limits { software: true, subgroups: true, ..gpu };
    let limited = |limits: Limits| shapes.iter().flat_map(move |shapes| candidates(&op(4096), shapes, &limits));
    let tiles = || [gpu, software].into_iter().flat_map(limited);
    let tiled = tiles().map(|tile| Op { tile: Some(tile), ..op(4096) });
    let numbers = (0..Function::ALL.len().max(LossFunction::ALL.len()) as u32).chain([4096]);
    let functions: Vec<Op> = numbers.map(|number| Op { tile: tiles().next(), ..op(number) }).collect();
    let mut undropped = functions.clone();
    undropped.iter_mut().for_each(|op| op.set("threshold", 0));
    functions.into_iter().chain(undropped).chain(tiled).collect()
}

fn parse(name: &str, text: &str) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    let capabilities = if uses_subgroups(text) { Capabilities::SUBGROUP } else { Capabilities::empty() };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)));
    (module, info)
}

/// Returns true for shaders that only devices with subgroups run.
fn uses_subgroups(text: &str) -> bool {
    text.contains("subgroupBroadcast(")
}

/// Global variables of group 0, sorted by binding.
fn bindings(module: &Module) -> Vec<(u32, &GlobalVariable)> {
    let mut all: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| variable.binding.map(|place| (place, variable)))
        .map(|(place, variable)| {
            assert_eq!(place.group, 0);
            (place.binding, variable)
        })
        .collect();
    all.sort_by_key(|(binding, _)| *binding);
    all
}

/// Names, types and offsets of a struct's fields.
fn fields(module: &Module, of: Handle<Type>) -> Vec<(String, String, u32)> {
    members(module, of)
        .iter()
        .map(|member| {
            let TypeInner::Scalar(scalar) = module.types[member.ty].inner else { panic!("a field is no scalar") };
            (member.name.clone().unwrap_or_default(), scalar_name(scalar).into(), member.offset)
        })
        .collect()
}

fn members(module: &Module, of: Handle<Type>) -> &[StructMember] {
    let TypeInner::Struct { members, .. } = &module.types[of].inner else { panic!("not a struct") };
    members
}

fn scalar_name(scalar: naga::Scalar) -> &'static str {
    match (scalar.kind, scalar.width) {
        (ScalarKind::Uint, 4) => "u32",
        (ScalarKind::Float, 4) => "f32",
        other => panic!("{other:?} is in no kernel's file"),
    }
}

fn declared(fields: &[Field]) -> Vec<(String, String, u32)> {
    fields.iter().zip(0..).map(|(f, i)| (f.name.into(), f.kind.into(), 4 * i)).collect()
}

#[test]
fn each_shader_declares_what_its_kernel_declares() {
    let mut compared = 0;
    let variants = variants();
    for Variant { name, kernel, wgsl, .. } in &variants {
        let (module, _) = parse(name, wgsl);
        let found = bindings(&module);
        for (binding, variable) in &found {
            let (name, at) = (variable.name.as_deref().unwrap_or_default(), format!("{} @{binding}", kernel.name));
            match *binding {
                0 => {
                    let read = AddressSpace::Storage { access: StorageAccess::LOAD };
                    assert_eq!((name, variable.space), ("params", read), "{at}");
                    assert_eq!(fields(&module, variable.ty), declared(kernel.params), "{at}");
                }
                1 => check_step(&module, kernel, name, variable),
                view => check_view(&module, kernel, view as usize - 2, name, variable),
            }
            compared += 1;
        }
        let views: Vec<_> = found.iter().map(|(binding, _)| *binding).filter(|binding| *binding >= 2).collect();
        assert_eq!(views, (2..2 + kernel.bindings.len() as u32).collect::<Vec<_>>(), "{}", kernel.name);
        assert_eq!(found[0].0 == 0, !kernel.params.is_empty(), "{}: undeclared parameters", kernel.name);
        let entries: Vec<_> = module.entry_points.iter().map(|e| (e.stage, e.name.as_str())).collect();
        assert_eq!(entries, [(naga::ShaderStage::Compute, "main")], "{}", kernel.name);
        let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!(invocations <= 256, "{}: {invocations} invocations are more than WebGPU guarantees", kernel.name);
    }
    println!("{compared} bindings of {} shaders compared", variants.len());
    assert!(compared >= 300, "only {compared} bindings were compared");
}

/// Checks binding 1: one step record, or the number of records and all of them.
fn check_step(module: &Module, kernel: &Kernel, name: &str, variable: &GlobalVariable) {
    let at = format!("{} @1", kernel.name);
    let record = match kernel.step {
        StepUse::One => {
            assert_eq!((name, variable.space), ("step", AddressSpace::Uniform), "{at}");
            variable.ty
        }
        StepUse::All => {
            let read = AddressSpace::Storage { access: StorageAccess::LOAD };
            assert_eq!((name, variable.space), ("steps", read), "{at}");
            let [count, records] = members(module, variable.ty) else { panic!("{at}: not a count and records") };
            assert_eq!((count.offset, records.offset), (0, STEP_BYTES as u32), "{at}");
            let TypeInner::Array { base, stride, .. } = module.types[records.ty].inner else {
                panic!("{at}: no array")
            };
            assert_eq!(stride, STEP_BYTES as u32, "{at}");
            members(module, base)[0].ty
        }
    };
    assert_eq!(fields(module, record), declared(Step::FIELDS), "{at}");
}

/// An op on a range of rows gets that range as parameters, and may only fill its output: `specialize` relies on it.
#[test]
fn kernels_by_rows_have_the_range_as_parameters() {
    let by_rows: Vec<_> = kernels::ALL.iter().filter(|k| k.bindings.iter().any(|b| b.by_rows)).collect();
    assert_eq!(by_rows.iter().map(|kernel| kernel.name).collect::<Vec<_>>(), ["gather", "gather_bytes"]);
    for kernel in kernels::ALL {
        let fills = kernel.bindings.iter().any(|binding| binding.access == Access::Fill);
        let has_range = ["first_row", "rows"].iter().all(|name| kernel.params.iter().any(|field| field.name == *name));
        let by_rows = kernel.bindings.iter().filter(|binding| binding.by_rows).count();
        assert!(by_rows == usize::from(fills) && (has_range || !fills), "{}", kernel.name);
        let others = |access: Access| access.writes_parts() && access != Access::Fill;
        assert!(!fills || !kernel.bindings.iter().any(|binding| others(binding.access)), "{}", kernel.name);
    }
}

fn check_view(module: &Module, kernel: &Kernel, index: usize, name: &str, variable: &GlobalVariable) {
    let binding = &kernel.bindings[index];
    let at = format!("{} binding {name}", kernel.name);
    assert_eq!(name, binding.name, "{at}");
    let access = match binding.access {
        Access::Read => StorageAccess::LOAD,
        Access::Write | Access::Fill | Access::ReadWrite | Access::Accumulate => {
            StorageAccess::LOAD | StorageAccess::STORE
        }
        // naga records atomic use separately, from the uses of the variable.
        Access::Atomic => StorageAccess::LOAD | StorageAccess::STORE,
    };
    let AddressSpace::Storage { access: found } = variable.space else { panic!("{at} is not in storage") };
    assert_eq!(found & (StorageAccess::LOAD | StorageAccess::STORE), access, "{at}");
    let TypeInner::Array { base, .. } = module.types[variable.ty].inner else { panic!("{at} is no array") };
    let (element, atomic) = match module.types[base].inner {
        TypeInner::Scalar(scalar) => (scalar_name(scalar), false),
        TypeInner::Vector { scalar, .. } => (scalar_name(scalar), false),
        TypeInner::Atomic(scalar) => (scalar_name(scalar), true),
        ref other => panic!("{at} holds {other:?}"),
    };
    assert_eq!(atomic, binding.access == Access::Atomic, "{at}");
    // Kernels for any type move words as u32.
    assert_eq!(element, binding.dtype.unwrap_or(Dtype::U32).to_string(), "{at}");
}

#[test]
fn each_shader_translates_for_every_platform() {
    for Variant { name, wgsl, .. } in &variants() {
        let (module, info) = parse(name, wgsl);
        let words = naga::back::spv::write_vec(&module, &info, &naga::back::spv::Options::default(), None);
        let words = words.unwrap_or_else(|e| panic!("{name} to SPIR-V: {e}"));
        let (msl, _) = naga::back::msl::write_string(&module, &info, &Default::default(), &Default::default())
            .unwrap_or_else(|e| panic!("{name} to MSL: {e}"));
        let mut hlsl = String::new();
        let (options, pipeline) = Default::default();
        naga::back::hlsl::Writer::new(&mut hlsl, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name} to HLSL: {e}"));
        println!("{name}: {} words of SPIR-V, {} bytes of MSL, {} of HLSL", words.len(), msl.len(), hlsl.len());
    }
}

/// Some drivers silently stop long loops. So a kernel whose shader has loops over rows, columns or parameters declares the number
/// of rounds, and `specialize` checks it against the device's limit.
#[test]
fn loops_that_depend_on_data_are_counted() {
    let mut counted = BTreeSet::new();
    for Variant { name, kernel, shader, wgsl } in &variants() {
        let code: String =
            wgsl.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
        assert!(!code.contains("while ") && !code.contains("loop {"), "{name}: only `for` loops have a visible end");
        let heads = code.split("for (").skip(1).map(|rest| rest.split('{').next().unwrap_or_default());
        for head in heads.filter(|head| depends_on_data(head)) {
            assert!(shader.rounds.is_some(), "{name}: the rounds of `for ({head}` are not declared");
            counted.insert(kernel.name);
        }
    }
    let declared: BTreeSet<_> =
        kernels::ALL.into_iter().filter(|k| k.shader.rounds.is_some()).map(|k| k.name).collect();
    assert_eq!(counted, declared);
}

/// Returns true if the end of a loop is not a constant; constants are in capitals.
fn depends_on_data(head: &str) -> bool {
    let parts: Vec<&str> = head.split(';').collect();
    let [init, condition, _] = parts[..] else { panic!("`{head}` has other parts than `for` has") };
    let (variable, first) = init.trim_start_matches("var ").split_once(" = ").expect("a loop counts");
    // A loop that counts down ends at a constant and starts at the number of its rounds.
    let limit = if condition.contains('>') { format!("{condition} {first}") } else { condition.into() };
    let words = limit.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| *word != variable);
    words.filter(|word| word.starts_with(char::is_alphabetic)).any(|word| word.contains(char::is_lowercase))
}

#[test]
fn tint_accepts_each_shader() {
    let Some(tint) = on_path("tint") else {
        println!("not run: tint is not on the PATH");
        return;
    };
    let variants = variants();
    for Variant { name, wgsl, .. } in &variants {
        let path = std::env::temp_dir().join(format!("wgrad-contract-{}.wgsl", std::process::id()));
        // naga accepts subgroups without this directive, and does not support it yet.
        let enable = if uses_subgroups(wgsl) { "enable subgroups;\n" } else { "" };
        std::fs::write(&path, format!("{enable}{wgsl}")).expect("the temporary folder can be written");
        let answer = Command::new(&tint).args(["--format", "wgsl", "-o", "/dev/null"]).arg(&path).output();
        let answer = answer.expect("tint can be started");
        std::fs::remove_file(&path).expect("the file was just written");
        assert!(answer.status.success(), "{name}: {}", String::from_utf8_lossy(&answer.stderr));
    }
    println!("tint accepts {} shaders", variants.len());
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Stems of the files with this extension in a folder of the repository.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("{folder}: {e}"));
    files
        .map(|file| file.expect("a folder's entries can be read").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect()
}

/// Names of kernels start with the stem of their shader file, and stems of shader files with that of the Rust file. Generated text may
/// precede the file's.
#[test]
fn each_shader_file_belongs_to_a_kernel() {
    let files = stems("shaders", "wgsl");
    let sources: BTreeSet<_> = variants().iter().map(|variant| (variant.kernel.name, variant.shader.source)).collect();
    for stem in &files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders").join(format!("{stem}.wgsl"));
        let text = std::fs::read_to_string(path).expect("the file was just listed");
        let owner = sources.iter().find(|(name, source)| name.starts_with(stem.as_str()) && source.ends_with(&text));
        assert!(owner.is_some(), "shaders/{stem}.wgsl is the shader of no kernel");
        let kernels = stems("src/kernels", "rs");
        assert!(kernels.iter().any(|kernel| stem.starts_with(kernel)), "src/kernels/{stem}.rs is missing");
    }
    for (name, _) in &sources {
        assert!(files.iter().any(|stem| name.starts_with(stem.as_str())), "{name} has a shader from elsewhere");
    }
    assert!(!files.is_empty());
}

#[test]
fn each_shared_file_is_used() {
    let used: String = variants().into_iter().map(|variant| variant.wgsl).collect();
    for stem in stems("shaders/shared", "wgsl") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/shared").join(format!("{stem}.wgsl"));
        let text = std::fs::read_to_string(path).expect("the file was just listed");
        assert!(used.contains(&text), "no kernel uses shaders/shared/{stem}.wgsl");
    }
}

#[test]
fn every_name_can_be_written_in_wgsl() {
    let mut refused = Vec::new();
    for kernel in kernels::ALL {
        let names = kernel.bindings.iter().map(|b| b.name).chain(kernel.params.iter().map(|f| f.name));
        for name in names.chain(["params", "step", "steps"]) {
            let text = format!("var<private> {name}: u32; struct S {{ {name}: u32 }} fn f() {{ {name} = 1u; }}");
            if naga::front::wgsl::parse_str(&text).is_err() {
                refused.push(format!("{}: {name}", kernel.name));
            }
        }
    }
    assert!(refused.is_empty(), "reserved in WGSL: {}", refused.join(", "));
}

/// These kernels get columns of their output, and no other output, per thread.
#[test]
fn kernels_by_columns_have_a_fast_kernel_and_no_other_output() {
    let kernels: Vec<_> =
        kernels::ALL.into_iter().filter(|kernel| kernel.bindings.iter().any(|b| b.by_columns)).collect();
    assert_eq!(kernels.len(), 5, "gathers, and dense layers forward (two kernels) and back");
    for kernel in kernels {
        let sound = |b: &Binding| b.by_columns == b.access.writes() && (b.per_item || !b.by_columns);
        assert!(kernel.fast.is_some() && kernel.bindings.iter().all(sound), "{}", kernel.name);
    }
}

/// WGSL guarantees little accuracy for `tanh`, `exp`, `log` and others; shaders use those of shared/functions.wgsl.
#[test]
fn shaders_call_only_accurate_functions() {
    use naga::MathFunction::{Abs, Ceil, Clamp, Dot, Floor, Fma, Max, Min, Round, Sqrt, Transpose};
    let mut calls = 0;
    for variant in variants() {
        let (module, _) = parse(&variant.name, &variant.wgsl);
        let functions = module.functions.iter().map(|(_, function)| function);
        for function in functions.chain(module.entry_points.iter().map(|entry| &entry.function)) {
            for (_, expression) in function.expressions.iter() {
                if let naga::Expression::Math { fun, .. } = expression {
                    let accurate = [Abs, Ceil, Clamp, Dot, Floor, Fma, Max, Min, Round, Sqrt, Transpose].contains(fun);
                    assert!(accurate, "{} calls {fun:?}", variant.name);
                    calls += 1;
                }
            }
        }
    }
    assert!(calls > 100, "only {calls} calls were seen");
}
