//! `update_adamw` in lockstep.

use wgrad::exec::Executor;
use wgrad::exec::gpu::Gpu;
use wgrad::exec::lockstep;
use wgrad::plan::Section;

use crate::common::device;
use crate::plans::{ADAM, AdamParams, adamw_plan, fill_adamw, find, read, run, step};

const NORM: f32 = 10.0;

#[test]
fn adamw_equals_its_reference() {
    let Some(device) = device() else { return };
    let settings = [
        ADAM,
        AdamParams { l2: 0.1, ..ADAM },
        AdamParams { decay: 0.1, ..ADAM },
        AdamParams { max_norm: 1.0, ..ADAM },
        AdamParams { l2: 0.1, max_norm: 1.0, ..ADAM },
        AdamParams { epsilon: 0.5, decay: 0.1, max_norm: NORM, ..ADAM },
    ];
    let (mut compared, mut expected) = (0, 0);
    for elements in [64, 192, 256, 320, 64 * 1025] {
        for params in settings {
            let plan = adamw_plan(&params, elements);
            let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
            fill_adamw(&mut gpu, elements, NORM);
            let report = lockstep::run(&plan, &mut gpu, &[step(1)], &[run(Section::Update, 0)]);
            compared += report.unwrap_or_else(|e| panic!("{elements} elements, {params:?}: {e}")).elements();
            expected += 3 * elements + 1;
        }
    }
    println!("adamw: {compared} elements compared on {}", device.adapter());
    assert_eq!(compared, expected);
}

#[test]
fn nothing_changes_once_a_bad_step_is_recorded() {
    let Some(device) = device() else { return };
    let plan = adamw_plan(&ADAM, 320);
    let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
    fill_adamw(&mut gpu, 320, NORM);
    gpu.write(find(&plan, "flag"), 0, &[3]).expect("the device works");
    let names = ["parameter", "m", "v"];
    let before = names.map(|name| read(&mut gpu, name));
    let report = lockstep::run(&plan, &mut gpu, &[step(1)], &[run(Section::Update, 0)]).expect("the device is right");
    assert_eq!(report.elements(), 3 * 320 + 1);
    assert_eq!(names.map(|name| read(&mut gpu, name)), before);
}
