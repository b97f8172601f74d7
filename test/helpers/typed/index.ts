// Pages typed in: a machine in namespaces with what they speak of, their blocks one after the other in one shell.
export * from './claims.ts';
export * from './judges.ts';
export * from './machine.ts';
export * from './script.ts';
export * from './shape.ts';
export * from './stages.ts';
export * from './type-page.ts';
